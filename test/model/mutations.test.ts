import { checkPasses, checks, modelTest } from './fixtures.js'

for (const { name, violates } of checks.mutations) {
  modelTest(`the model finds ${name}: ${violates}`, (t) => checkPasses(t, name))
}

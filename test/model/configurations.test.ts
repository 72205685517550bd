import { checkPasses, checks, modelTest } from './fixtures.js'

for (const name of Object.keys(checks.configurations)) {
  modelTest(`the model holds in every state: ${name}`, (t) => checkPasses(t, name))
}

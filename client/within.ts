/** Waits for a promise, but no longer than `timeoutMs` (0: for ever); says whether it was in time. */
export async function finishedWithin(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  if (timeoutMs === 0) {
    await work
    return true
  }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs)
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

interface Finished<Result> {
  readonly task: Promise<Finished<Result>>
  readonly result: Result
}

/**
 * Does `work` for each item, at most `limit` at a time, and yields the results as they come. Nothing new begins
 * while the consumer does not ask for more: that is how its pace holds the work back. Ends with the first error.
 */
export async function* mapConcurrently<Item, Result>(
  items: Iterable<Item>,
  limit: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running = new Set<Promise<Finished<Result>>>()
  for (const item of items) {
    const task: Promise<Finished<Result>> = work(item).then((result) => ({ task, result }))
    running.add(task)
    if (running.size === limit) yield await takeFirst(running)
  }
  while (running.size > 0) yield await takeFirst(running)
}

/** `Promise.race` also marks the rejections of the others as seen, so that they do not end the process. */
async function takeFirst<Result>(running: Set<Promise<Finished<Result>>>): Promise<Result> {
  const { task, result } = await Promise.race(running)
  running.delete(task)
  return result
}

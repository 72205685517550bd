/** Whoever imports this ends with its parent, even one that is killed before it can end its children. */
process.once('disconnect', () => process.exit())

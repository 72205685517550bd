/** The file of the addon of ringbus in this process, if one is loaded. */
export function loadedAddon(): string | undefined {
  const { sharedObjects } = process.report.getReport() as { sharedObjects: string[] }
  return sharedObjects.find((path) => path.endsWith('/ringbus.node'))
}

/** The file system: whatever writes files goes through here. */

export { errorCode, explainFileError, FileError } from './errors.ts'
export { sweepLeftovers } from './leftovers.ts'
export { bundledModels, localModel, packageRoot } from './models.ts'
export {
  type DiskFolder,
  listFolder,
  type OpenFile,
  openFile,
  openFolder,
  pathExists,
  readBytes,
  readJson,
  readText,
} from './read.ts'
export { withoutSecrets } from './secrets.ts'
export { packageVersion } from './version.ts'
export {
  appendText,
  type FileContent,
  makeFolder,
  removePath,
  writeFileAtomic,
  writeJson,
} from './write.ts'

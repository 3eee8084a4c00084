/** The Hugging Face Hub: repositories into a cache that Python shares, and suites back up. */
export { type HubAddress, parseHubAddress, type RepoType, renderHubAddress } from './address.ts'
export { type DataFile, isHubData, lastingDataName, listData } from './dataset.ts'
export { HubError, type HubFailure } from './errors.ts'
export { type HubFile, type Listing, type ListOptions, listRepository } from './listing.ts'
export { type PullOptions, type PullProgress, pullFiles, renderPull } from './pull.ts'
export { type PushFile, type PushPlan, type PushProgress, planPush, pushFiles } from './push.ts'
export {
  lastingModelName,
  openModelFolder,
  pullModel,
  type ResolveOptions,
  resolveModel,
  resolvePath,
} from './resolve.ts'
export { type HubSettings, hubSettings } from './settings.ts'

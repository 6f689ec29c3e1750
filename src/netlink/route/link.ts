/* Links, as those see them who use them; how it is done is in the folder link/. */
export type { BridgePort } from './link/bridge.ts';
export {
  type BridgeVlan,
  bridgeVlanAdd,
  bridgeVlanDel,
  bridgeVlanList,
} from './link/bridge-vlan.ts';
export { linkByAlias, linkByIndex, linkByName, linkList } from './link/find.ts';
export type { Link } from './link/link.ts';
export type { LinkChanges, LinkSpec } from './link/spec.ts';
export { linkStats } from './link/stats.ts';
export {
  linkAdd,
  linkAltNameAdd,
  linkAltNameDel,
  linkDel,
  linkDelStart,
  linkSet,
} from './link/verbs.ts';

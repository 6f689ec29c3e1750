import { join } from 'node:path';
import { CNI_BIN } from '../../integration/cni/plugin-fixture.ts';
import { PEER_CACHE } from '../../peers/peer.ts';

export { needPeer } from '../need-peer.ts';

/** The directory of plugins on each side of a comparison. */
export const SIDES = {
  podwire: CNI_BIN,
  reference: join(PEER_CACHE, 'cni-plugins'),
} as const;

export type Side = keyof typeof SIDES;

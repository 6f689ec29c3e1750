import { join } from 'node:path';
import { beforeEach } from 'vitest';
import { CNI_BIN } from '../../integration/cni/plugin-fixture.ts';
import { PEER_CACHE, peerMissing } from '../../peers/peer.ts';

/** The directory of plugins on each side of a comparison. */
export const SIDES = {
  podwire: CNI_BIN,
  reference: join(PEER_CACHE, 'cni-plugins'),
} as const;

export type Side = keyof typeof SIDES;

/** Skips every test of a file, with the reason, where the peer's programs are not built. */
export function needPeer(module: string): void {
  beforeEach(({ skip }) => {
    const reason = peerMissing(module);
    if (reason !== undefined) skip(reason);
  });
}

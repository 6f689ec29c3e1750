import { beforeEach } from 'vitest';
import { peerMissing } from '../peers/peer.ts';

/** Skips every test of a file, with the reason, where a peer's programs are not built. */
export function needPeer(module: string): void {
  beforeEach(({ skip }) => {
    const reason = peerMissing(module);
    if (reason !== undefined) skip(reason);
  });
}

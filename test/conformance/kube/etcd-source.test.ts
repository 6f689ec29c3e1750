import { describe } from 'vitest';
import { describeSource } from '../../integration/etcd/source-cases.ts';
import { peerMissing, peerProgram } from '../../peers/peer.ts';
import { needPeer } from '../need-peer.ts';

/* A later etcd than Debian's, which tells less of a watch that nothing has happened to. */
describe('EtcdSource with etcd v3.6', () => {
  needPeer('etcd');
  const isMissing = peerMissing('etcd') !== undefined;
  describeSource(() => (isMissing ? undefined : peerProgram('etcd', 'server')));
});

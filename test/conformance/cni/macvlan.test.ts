import { needPeer } from './sides.ts';
import { compareSublinks } from './sublink-comparison.ts';

needPeer('cni-plugins');

compareSublinks('macvlan', ['bridge', 'private', 'vepa', 'passthru']);

import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { DEFAULT_SETTINGS, type ModelSettings } from '../../../src/proxy/model/settings.ts';
import { DEFAULT_NODE_RULES, type NodeRules } from '../../../src/proxy/node.ts';
import type { CaseSettings } from './case.ts';
import { ADDR, CIDR, FAMILIES, NODE_NAME, ZONE_A } from './world.ts';

/** The addresses of N1 that its Node object lists. */
export const NODE_ADDRS = FAMILIES.map((family) => parseAddr(ADDR.N1[family]));

function detectorOf({ detector = 'cluster-cidr' }: CaseSettings): ModelSettings['detector'] {
  if (detector === 'none') return { kind: 'none' };
  return {
    kind: 'prefixes',
    prefixes: FAMILIES.map((family) => parsePrefix(CIDR.cluster[family])),
  };
}

/** What a case's settings mean to the model. */
export function modelSettings(settings: CaseSettings): ModelSettings {
  const { masqueradeAll = false, externalIPs = true, proxyName = '', zone = ZONE_A } = settings;
  return {
    ...DEFAULT_SETTINGS,
    nodeName: NODE_NAME,
    zone,
    nodeAddrs: NODE_ADDRS,
    detector: detectorOf(settings),
    masqueradeAll,
    externalIPs,
    proxyName,
  };
}

/** What they mean to the rules of the node. */
export function nodeRules(settings: CaseSettings): NodeRules {
  const { masqueradeAll = false, nodePortAddresses } = settings;
  return {
    ...DEFAULT_NODE_RULES,
    detector: detectorOf(settings),
    masqueradeAll,
    nodePortAddrs: nodePortAddresses === 'all' ? 'all' : NODE_ADDRS,
  };
}

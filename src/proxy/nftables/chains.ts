import { type ChainSpec as ChainShape, PRIORITY } from '../../netlink/nftables/chain.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { loadMeta, loadPayload } from '../../netlink/nftables/expression/load.ts';
import {
  compare,
  lookup,
  lookupMap,
  lookupVerdict,
  maskXor,
  matchCtState,
  matchCtStatus,
  matchLocalDestination,
  matchTransportProtocol,
} from '../../netlink/nftables/expression/match.ts';
import { masquerade } from '../../netlink/nftables/expression/nat.ts';
import { storeMeta } from '../../netlink/nftables/expression/store.ts';
import {
  ACCEPT,
  DROP,
  goTo,
  jumpTo,
  RETURN,
  rejectPort,
  rejectTcpReset,
  verdict,
} from '../../netlink/nftables/expression/verdict.ts';
import type { RuleSpec } from '../../netlink/nftables/rule.ts';
import { hostU32, interfaceName, interfacePrefix } from '../../netlink/nftables/value.ts';
import type { NodeRules } from '../node.ts';
import { CHAIN, HEADER, type IpFamily, SET, TABLE } from './names.ts';
import { CLASS_MAX } from './target.ts';

/*
 * The rules that are the same for one Service and for thirty thousand. A new connection meets twice:
 *
 *   check-prerouting ─┬─────────────── check    guard: sources that are not admitted
 *                     └─ check-outside ─┤       refused-ips..., dropped-ips...: what leads nowhere
 *   check-output ───────────────────────┘       strays: cluster IPs that no Service has, or no port of
 *
 *   prerouting ─┬─ from-pods ────┐
 *               └─ from-outside ─┤  cluster-ips, external-ips..., node-ports...
 *   output ───────  from-node ───┘  each gives the packet's priority a target (target.ts)
 *                                          │
 *                            masquerade ── pick ── pick-N
 *
 *   postrouting   what was marked in `masquerade`, and who reached itself, gets the node's address
 *
 * Checks are of type filter, for a reset can be sent there and not from where addresses are translated.
 */

/** A chain with all its rules. */
export interface ChainSpec extends ChainShape {
  readonly rules: readonly RuleSpec[];
}

const DESTINATION_PORT_OFFSET = 2; // of TCP, UDP and SCTP alike

/** The chains that are always there, in an order in which each is made before it is named. */
export function staticChains(family: IpFamily, node: NodeRules): ChainSpec[] {
  return [
    refuseChain(family),
    discardChain(),
    guardChain(family),
    straysChain(family),
    checkChain(family, node),
    checkOutsideChain(family, node),
    checkPreroutingChain(family, node),
    checkOutputChain(),
    pickChain(),
    masqueradeChain(node),
    fromPodsChain(family, node),
    fromOutsideChain(family, node),
    fromNodeChain(family, node),
    preroutingChain(family, node),
    outputChain(),
    postroutingChain(family, node),
  ];
}

const rule = (comment: string, ...expressions: readonly Expression[]): RuleSpec => ({
  comment,
  expressions,
});

const IPPROTO_TCP = 6;

function refuseChain(family: IpFamily): ChainSpec {
  return {
    name: CHAIN.refuse,
    comment: 'no endpoint at all',
    rules: [
      // ICMP errors are limited to one a second for each client, and resets are not.
      rule('fail at once', ...matchTransportProtocol(IPPROTO_TCP, 0), rejectTcpReset()),
      rule('fail at once', rejectPort(TABLE[family].family)),
    ],
  };
}

function discardChain(): ChainSpec {
  return {
    name: CHAIN.discard,
    comment: 'no endpoint on this node, or nobody admitted',
    rules: [rule('let the sender try elsewhere', verdict(DROP))],
  };
}

function guardChain(family: IpFamily): ChainSpec {
  const { source, bytes, words } = HEADER[family];
  return {
    name: CHAIN.guard,
    comment: 'loadBalancerSourceRanges',
    rules: [
      rule(
        'admitted',
        ...loadServiceKey(family),
        loadPayload('network', source, bytes, words + 2),
        lookup(SET.admitted, 0),
        verdict(RETURN),
      ),
      rule('nobody else', verdict(goTo(CHAIN.discard))),
    ],
  };
}

/** What is for a cluster IP and for no port of a Service. */
function straysChain(family: IpFamily): ChainSpec {
  return {
    name: CHAIN.strays,
    comment: 'cluster IPs at ports that no Service has',
    rules: [
      // Whether a map has a key can't be asked before Linux 6.3; what it holds may go where it goes anyway.
      ...[SET.clusterIPs, SET.externalIPs, SET.externalIPsShort].map((set) =>
        rule('a Service', ...lookUpTarget(family, set), verdict(RETURN)),
      ),
      rule('nobody', verdict(goTo(CHAIN.refuse))),
    ],
  };
}

/** What is checked of all new connections. */
function checkChain(family: IpFamily, node: NodeRules): ChainSpec {
  return {
    name: CHAIN.check,
    comment: 'connections that are turned away',
    rules: [
      rule(
        'not everybody is admitted',
        ...loadServiceKey(family),
        lookup(SET.guarded, 0),
        verdict(jumpTo(CHAIN.guard)),
      ),
      turnAway(SET.refusedIPs, CHAIN.refuse, loadServiceKey(family)),
      turnAway(SET.droppedIPs, CHAIN.discard, loadServiceKey(family)),
      turnAway(SET.refusedPorts, CHAIN.refuse, loadPortKey(0), matchNodePortAddr(family, node)),
      rule(
        'a cluster IP, maybe at another port',
        loadDestination(family),
        lookup(SET.clusterAddrs, 0),
        verdict(goTo(CHAIN.strays)),
      ),
      turnAway(SET.serviceRanges, CHAIN.discard, [loadDestination(family)]),
    ],
  };
}

/** What is checked of those from outside before all else. */
function checkOutsideChain(family: IpFamily, node: NodeRules): ChainSpec {
  return {
    name: CHAIN.checkOutside,
    comment: 'connections from outside that are turned away',
    rules: [
      turnAway(SET.droppedIPsOutside, CHAIN.discard, loadServiceKey(family)),
      turnAway(
        SET.droppedPortsOutside,
        CHAIN.discard,
        loadPortKey(0),
        matchNodePortAddr(family, node),
      ),
      rule('and all others', verdict(goTo(CHAIN.check))),
    ],
  };
}

function turnAway(
  set: string,
  chain: string,
  key: readonly Expression[],
  condition: readonly Expression[] = [],
): RuleSpec {
  return rule(`in ${set}`, ...condition, ...key, lookup(set, 0), verdict(goTo(chain)));
}

/** Just before translation, as kube-proxy does it. */
const CHECK_PRIORITY = PRIORITY.dstnat - 10;

function checkPreroutingChain(family: IpFamily, node: NodeRules): ChainSpec {
  const fromPod = matchPod(family, node);
  return {
    name: CHAIN.checkPrerouting,
    comment: 'traffic of pods and from outside, before translation',
    hook: { type: 'filter', hook: 'prerouting', priority: CHECK_PRIORITY },
    rules: [
      rule('not new', ...matchNotNew(), verdict(ACCEPT)),
      ...(fromPod === undefined ? [] : [rule('of pods', ...fromPod, verdict(goTo(CHAIN.check)))]),
      rule('of others', verdict(goTo(CHAIN.checkOutside))),
    ],
  };
}

function checkOutputChain(): ChainSpec {
  return {
    name: CHAIN.checkOutput,
    comment: 'traffic of the node itself, before translation',
    hook: { type: 'filter', hook: 'output', priority: CHECK_PRIORITY },
    rules: [
      rule('not new', ...matchNotNew(), verdict(ACCEPT)),
      rule('of the node', verdict(goTo(CHAIN.check))),
    ],
  };
}

function matchNotNew(): Expression[] {
  return matchCtState(['established', 'related', 'untracked'], 0);
}

function pickChain(): ChainSpec {
  return {
    name: CHAIN.pick,
    comment: 'picks an endpoint of the pool in the priority',
    rules: [
      rule(
        'by its class',
        loadMeta('priority', 0),
        maskXor(hostU32(CLASS_MAX), hostU32(0), 0),
        lookupVerdict(SET.pickChains, 0),
      ),
    ],
  };
}

function masqueradeChain({ masqueradeBit }: NodeRules): ChainSpec {
  return {
    name: CHAIN.masquerade,
    comment: 'picks an endpoint for a connection that shall come from this node',
    rules: [
      rule(
        'marked until postrouting',
        loadMeta('mark', 0),
        maskXor(hostU32(~bitOf(masqueradeBit) >>> 0), hostU32(bitOf(masqueradeBit)), 0),
        storeMeta('mark', 0),
      ),
      rule('an endpoint', verdict(goTo(CHAIN.pick))),
    ],
  };
}

function fromPodsChain(family: IpFamily, node: NodeRules): ChainSpec {
  const toClusterIP = node.masqueradeAll ? CHAIN.masquerade : CHAIN.pick;
  return {
    name: CHAIN.fromPods,
    comment: 'connections of pods of this node',
    rules: [
      leads(family, SET.clusterIPs, toClusterIP),
      leads(family, SET.externalIPsShort, CHAIN.pick),
      leads(family, SET.externalIPs, CHAIN.masquerade),
      nodePortLeads(family, node, SET.nodePortsShort, CHAIN.pick),
      nodePortLeads(family, node, SET.nodePorts, CHAIN.masquerade),
    ],
  };
}

function fromOutsideChain(family: IpFamily, node: NodeRules): ChainSpec {
  return {
    name: CHAIN.fromOutside,
    comment: 'connections of anybody but this node and its pods',
    rules: [
      leads(family, SET.clusterIPs, clusterIPChain(family, node)),
      leads(family, SET.externalIPsLocal, CHAIN.pick),
      leads(family, SET.externalIPs, CHAIN.masquerade),
      nodePortLeads(family, node, SET.nodePortsLocal, CHAIN.pick),
      nodePortLeads(family, node, SET.nodePorts, CHAIN.masquerade),
    ],
  };
}

function fromNodeChain(family: IpFamily, node: NodeRules): ChainSpec {
  return {
    name: CHAIN.fromNode,
    comment: 'connections of this node itself',
    rules: [
      leads(family, SET.clusterIPs, clusterIPChain(family, node)),
      leads(family, SET.externalIPsShort, CHAIN.masquerade),
      leads(family, SET.externalIPs, CHAIN.masquerade),
      nodePortLeads(family, node, SET.nodePortsShort, CHAIN.masquerade),
      nodePortLeads(family, node, SET.nodePorts, CHAIN.masquerade),
    ],
  };
}

/** To a cluster IP only pods keep their address, if pods can be told from others at all. */
function clusterIPChain(family: IpFamily, node: NodeRules): string {
  return node.masqueradeAll || detectsPods(family, node) ? CHAIN.masquerade : CHAIN.pick;
}

function preroutingChain(family: IpFamily, node: NodeRules): ChainSpec {
  const fromPod = matchPod(family, node);
  return {
    name: CHAIN.prerouting,
    comment: 'traffic of pods and from outside',
    hook: { type: 'nat', hook: 'prerouting', priority: PRIORITY.dstnat },
    rules: [
      ...(fromPod === undefined
        ? []
        : [rule('of pods', ...fromPod, verdict(goTo(CHAIN.fromPods)))]),
      rule('of others', verdict(goTo(CHAIN.fromOutside))),
    ],
  };
}

function outputChain(): ChainSpec {
  return {
    name: CHAIN.output,
    comment: 'traffic of the node itself',
    hook: { type: 'nat', hook: 'output', priority: PRIORITY.dstnat },
    rules: [rule('of the node', verdict(goTo(CHAIN.fromNode)))],
  };
}

function postroutingChain(family: IpFamily, { masqueradeBit }: NodeRules): ChainSpec {
  const { source, destination, bytes, words } = HEADER[family];
  const bit = hostU32(bitOf(masqueradeBit));
  const zero = hostU32(0);
  return {
    name: CHAIN.postrouting,
    comment: 'makes replies come back through this node where they would not',
    hook: { type: 'nat', hook: 'postrouting', priority: PRIORITY.srcnat },
    rules: [
      // The mark goes first: a packet that is put into another one must not carry it along.
      rule(
        'marked for it',
        loadMeta('mark', 0),
        maskXor(bit, zero, 0),
        compare('!=', zero, 0),
        loadMeta('mark', 0),
        maskXor(hostU32(~bitOf(masqueradeBit) >>> 0), zero, 0),
        storeMeta('mark', 0),
        masquerade({ flags: ['fully-random'] }),
      ),
      rule(
        'an endpoint that reached itself',
        ...matchCtStatus('dnat', 0),
        loadPayload('network', source, bytes, 0),
        loadPayload('network', destination, bytes, words),
        lookup(SET.hairpin, 0),
        masquerade({ flags: ['fully-random'] }),
      ),
    ],
  };
}

/** Looks address, protocol and port up, and goes on in `chain` with what the map says. */
function leads(family: IpFamily, set: string, chain: string): RuleSpec {
  return rule(`in ${set}`, ...lookUpTarget(family, set), verdict(goTo(chain)));
}

/** Looks address, protocol and port up, and gives the packet's priority what the map says. */
function lookUpTarget(family: IpFamily, set: string): Expression[] {
  return [...loadServiceKey(family), lookupMap(set, 0, 0), storeMeta('priority', 0)];
}

/** `leads` for ports of the node. */
function nodePortLeads(family: IpFamily, node: NodeRules, set: string, chain: string): RuleSpec {
  return rule(
    `in ${set}`,
    ...matchNodePortAddr(family, node),
    ...loadPortKey(0),
    lookupMap(set, 0, 0),
    storeMeta('priority', 0),
    verdict(goTo(chain)),
  );
}

/** The first octet of loopback addresses, 127.0.0.0/8; IPv6 has one address, ::1. */
const LOOPBACK_V4 = Uint8Array.of(127);
const LOOPBACK_V6 = Uint8Array.from({ length: 16 }, (_, at) => (at === 15 ? 1 : 0));

function matchNodePortAddr(family: IpFamily, { nodePortAddrs }: NodeRules): Expression[] {
  if (nodePortAddrs !== 'all') return [loadDestination(family), lookup(SET.nodePortAddrs, 0)];
  const { destination } = HEADER[family];
  return [
    ...(family === 4
      ? [loadPayload('network', destination, 1, 0), compare('!=', LOOPBACK_V4, 0)]
      : [loadDestination(6), compare('!=', LOOPBACK_V6, 0)]),
    ...matchLocalDestination(0),
  ];
}

/** Whether a packet comes from a pod of this node; undefined when there is no telling. */
function matchPod(family: IpFamily, node: NodeRules): Expression[] | undefined {
  const { detector } = node;
  if (!detectsPods(family, node)) return undefined;
  const { source, bytes } = HEADER[family];
  switch (detector.kind) {
    case 'bridge':
      return [loadMeta('iifname', 0), compare('==', interfaceName(detector.name), 0)];
    case 'interface-prefix':
      return [loadMeta('iifname', 0), compare('==', interfacePrefix(detector.prefix), 0)];
    case 'prefixes':
      return [loadPayload('network', source, bytes, 0), lookup(SET.pods, 0)];
    case 'none':
      return undefined;
  }
}

function detectsPods(family: IpFamily, { detector }: NodeRules): boolean {
  if (detector.kind !== 'prefixes') return detector.kind !== 'none';
  return detector.prefixes.some(({ addr }) => addr.family === family);
}

function loadDestination(family: IpFamily): Expression {
  const { destination, bytes } = HEADER[family];
  return loadPayload('network', destination, bytes, 0);
}

/** Loads destination address, transport protocol and destination port side by side. */
function loadServiceKey(family: IpFamily): Expression[] {
  return [loadDestination(family), ...loadPortKey(HEADER[family].words)];
}

function loadPortKey(word: number): Expression[] {
  return [
    loadMeta('l4proto', word),
    loadPayload('transport', DESTINATION_PORT_OFFSET, 2, word + 1),
  ];
}

function bitOf(bit: number): number {
  return (1 << bit) >>> 0;
}

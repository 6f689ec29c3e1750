/*
 * What any Service proxy must do, in 112 numbered statements, and where each is proven for this one.
 */

/** A file with tests, and names of some in it; or the names of cases of this suite. */
type Proof = readonly string[] | { readonly file: string; readonly tests: readonly string[] };

/** A statement of the contract. */
export interface Clause {
  readonly says: string;
  /** Cases of `cases.ts` run against the model, the memory backend and each kernel backend. */
  readonly proof: readonly Proof[];
  /** What of it is not proven, and why. */
  readonly left?: string;
}

const inFile =
  (file: string) =>
  (...tests: readonly string[]): Proof => ({ file, tests });
const robust = inFile('test/integration/proxy/robust.test.ts');
const packets = inFile('test/integration/proxy/packets.test.ts');
const conntrack = inFile('test/integration/proxy/conntrack.test.ts');
const nftables = inFile('test/integration/proxy/nftables.test.ts');
const loss = inFile('test/integration/proxy/loss.test.ts');
const health = inFile('test/integration/agent/health.test.ts');
const beside = inFile('test/integration/agent/beside.test.ts');
const metrics = inFile('test/integration/agent/metrics.test.ts');
const config = inFile('test/integration/agent/config.test.ts');
const savedState = inFile('test/conformance/kube/saved-state.test.ts');
const sctp = inFile('test/vm/proxy/sctp.test.ts');
const node = inFile('test/vm/proxy/node.test.ts');

const clause = (says: string, ...proof: readonly Proof[]): Clause => ({ says, proof });

const OTHERS = ['the node and others are masqueraded'];
const NODE_PORT = ['a node port leads everybody to all endpoints, masqueraded'];
const BALANCER = ['a load balancer address leads to all endpoints, masqueraded'];
const IP_MODE = ['ipMode Proxy is none of ours, until it changes'];
const RANGES = ['source ranges admit who is in them, and drop everybody else'];
const OUTSIDE_RANGES = ['who is outside of the ranges is dropped, at the load balancer alone'];
const KEEPS_LOCAL = ['externalTrafficPolicy Local keeps to this node, and keeps the source'];
const SHORT_WAY = ['pods and the node take the short way to all'];
const NEXT_ENDPOINT = 'a UDP flow goes to the endpoint that takes the place of another';

/** By number. Clients: a pod (a), the node (H), somebody outside (X). */
export const CONTRACT: Readonly<Record<number, Clause>> = {
  // Cluster IP
  1: clause('a reaches all endpoints of a cluster IP, with its own address', [
    'a pod reaches all endpoints, with its own address',
  ]),
  2: clause('H is masqueraded to a cluster IP', OTHERS),
  3: clause('X is masqueraded to a cluster IP where pods can be told', OTHERS),
  4: clause('nobody is where they can not', ['without a detector nobody is masqueraded']),
  5: clause('masqueradeAll: a is, too', ['masqueradeAll takes pods in']),
  6: clause('a reaches itself, masqueraded', ['a pod that reaches itself is masqueraded']),
  7: clause('an unused port of a cluster IP reaches no endpoint', [
    'another port of a cluster IP is refused',
  ]),
  8: clause('an address of the Service range that nobody has is dropped', [
    'an address of the Service range that nobody has is a dead end',
  ]),
  9: clause('UDP and TCP at one port have endpoints of their own', [
    'one port number, two protocols, each with its own endpoints',
  ]),
  10: clause(
    'so has SCTP',
    sctp('has nothing to do with TCP at the same port', 'leads from %s to all its endpoints'),
  ),
  11: clause('a named port is what each slice says', [
    'a named port is another number in each slice',
  ]),
  12: { says: 'ping of a cluster IP', proof: [], left: 'nothing is promised of it' },
  13: clause(
    'three endpoints get a third each',
    robust('spreads connections evenly over three endpoints'),
  ),
  14: clause('one endpoint gets all', ['one endpoint gets all']),
  15: clause(
    '250 and 1,000 endpoints are all reached',
    robust(
      'reaches each of 250 endpoints',
      'has a thousand endpoints, then more ways of picking than fit small numbers, then one',
    ),
  ),
  16: clause('an endpoint in two slices has the weight of one', [
    'an endpoint in two slices is one',
  ]),
  // No endpoints
  17: clause('a cluster IP without endpoints refuses TCP at once', [
    'a cluster IP without endpoints refuses',
  ]),
  18: clause('and UDP by ICMP', ['so does it over UDP']),
  19: clause('so do node ports, load balancers and external IPs', ['so does every other way in']),
  20: clause('endpoints appear, and the same client is served', [
    'endpoints that come and go are followed',
    'a UDP flow is refused while there is no endpoint, and goes on with the next',
  ]),
  21: clause(
    'endpoints vanish: new connections are refused, TCP goes on',
    ['endpoints that come and go are followed'],
    packets('from %s by %s goes on whatever becomes of its rules'),
  ),
  // Node ports
  22: clause('X to a node port, masqueraded', NODE_PORT),
  23: clause('a to a node port, masqueraded', NODE_PORT),
  24: clause('H to its own node port', NODE_PORT),
  25: clause('nodePortAddresses as prefixes', ['only on the addresses chosen by a prefix']),
  26: clause('nodePortAddresses primary', ["only on the Node's own addresses"]),
  27: {
    ...clause('127.0.0.1 and ::1: no node port there', [
      'not on loopback, on whichever addresses it is',
    ]),
    left: 'node ports on loopback are no feature of the nftables mode, of kube-proxy v1.36 neither',
  },
  28: clause(
    'X to 127.0.0.1 by the node comes to nobody',
    packets('from outside to loopback comes to nobody'),
    config('runs with the example, and sets what it says of connection tracking'),
  ),
  29: clause('one node port number, two protocols, two Services', [
    'one number, two protocols, two Services',
  ]),
  30: clause('a node port changes', ['a node port that changes']),
  // N1 of the suite listens on all the ports itself.
  31: clause('a process of the node listens there, and the Service wins', NODE_PORT),
  32: clause('no node port in a family the Service does not have', [
    'no node port in a family the Service does not have',
  ]),
  // Load balancers and external IPs
  33: clause('X to a load balancer address, masqueraded', BALANCER),
  34: clause('ipMode Proxy: no rule', IP_MODE),
  35: clause('ipMode changes to VIP: a rule', IP_MODE),
  36: clause('another port of the address passes', [
    'another port of a load balancer address is none of ours',
  ]),
  37: clause('X within the source ranges is admitted', RANGES),
  38: clause('X outside of them is dropped', OUTSIDE_RANGES),
  39: clause('so is a', RANGES),
  40: clause('they do not hold for the node port', OUTSIDE_RANGES),
  41: clause('a range with the node in it admits the address itself', [
    'a range with the node in it admits what the node sends',
  ]),
  42: clause('two Services share an address, one has ranges', [
    'two Services share an address, and only one has ranges',
  ]),
  43: clause('an external IP knows no ranges', [
    'an external address is like a load balancer without ranges',
    ...OUTSIDE_RANGES,
  ]),
  44: clause('external IPs can be off', ['external addresses can be off']),
  45: clause('an address goes away', ['a load balancer address that goes away']),
  // externalTrafficPolicy Local
  46: clause('X reaches local endpoints, with its own address', KEEPS_LOCAL),
  47: clause('no local endpoint: dropped', ['it drops where this node has no endpoint']),
  48: clause('a takes the short way, with its own address', SHORT_WAY),
  49: clause('H takes the short way, masqueraded', SHORT_WAY),
  50: clause('a by the node port, too', SHORT_WAY),
  51: clause('the cluster IP is as ever', ['it does not touch the cluster IP']),
  52: clause('without a detector a is like X', [
    'without a detector a pod is like anybody outside',
  ]),
  53: clause('none anywhere: refused', ['without any endpoint it refuses']),
  54: clause('the policy changes', ['the policy changes and changes back']),
  // internalTrafficPolicy Local
  55: clause('a reaches local endpoints', ['internalTrafficPolicy Local keeps to this node']),
  56: clause('none local: dropped', ['it drops where this node has no endpoint']),
  57: clause('none anywhere: refused', ['without any endpoint it refuses']),
  58: clause('the node port is as ever', ['internalTrafficPolicy Local keeps to this node']),
  59: clause('both policies at once', ['both policies at once, each with its own result']),
  // Terminating endpoints
  60: clause('all are leaving: they serve', [
    'where none is ready, those that are leaving serve on',
  ]),
  61: clause('one is ready: it alone', ['one that is ready takes all']),
  62: clause('leaving and not serving: refused', ['one that no longer answers gets nothing']),
  63: clause('policy Local counts its own', [
    'a local one that is leaving serves, whatever other nodes have',
  ]),
  64: clause(
    'the health check port says 503 then',
    health('fails while pods are leaving, and is closed with another policy'),
  ),
  65: clause(
    'a TCP connection to one that is leaving goes on',
    packets('from %s by %s goes on whatever becomes of its rules'),
  ),
  // Topology
  66: clause('hints to zones', ['hints to zones keep traffic in this one']),
  67: clause('one endpoint without a hint: all', ['one endpoint without a hint, and all serve']),
  68: clause('no hint to this zone: all', ['no hint to this zone, and all serve']),
  69: clause('hints to nodes', ['hints to nodes come first']),
  70: clause('no hint to this node: the zone', ['without a hint to this node the zone counts']),
  71: clause('the zone of the node changes', ['the zone of the node changes']),
  72: clause('policy Local has no use for hints', ['what stays on the node has no use for hints']),
  // Affinity
  73: clause('a stays with its endpoint', ['a client stays with its endpoint']),
  74: clause('X does, whichever way it comes in', ['whichever way it comes in']),
  75: clause('for a time', ['for a time from its last connection on']),
  76: clause('its endpoint goes', [
    'it goes to another when its endpoint is gone, and stays there',
  ]),
  77: clause('affinity is turned off', ['affinity is turned on and off']),
  78: clause('with policy Local', ['with policy Local it stays with one of this node']),
  79: clause('endpoints are added', ['it stays when others are added']),
  // Connection tracking
  80: clause(
    'a UDP client that keeps its port reaches the next endpoint',
    [NEXT_ENDPOINT],
    conntrack('reaches the next endpoint'),
  ),
  81: clause('none, then one again', [
    'a UDP flow is refused while there is no endpoint, and goes on with the next',
  ]),
  82: clause(
    'the Service is deleted, while an agent runs and while none does',
    ['no packet of a UDP flow reaches an endpoint whose Service is gone'],
    conntrack('are forgotten at the start%s'),
  ),
  83: clause('by the node port', [NEXT_ENDPOINT]),
  84: clause('the flow is older than the Service', ['a UDP flow that began before the Service']),
  85: clause(
    'the proxy starts again, and a flow keeps its endpoint',
    conntrack('keeps its endpoint when the proxy starts again and nothing changed'),
  ),
  86: clause(
    'flows of others are left alone',
    conntrack('leaves alone whatever is not to a Service over UDP'),
  ),
  87: clause(
    'an SCTP client that keeps its port reaches the next endpoint',
    sctp('leads a client that stays at its port from an endpoint that is gone to the next'),
    conntrack('looks at SCTP as at UDP, and at each protocol by its own Services'),
  ),
  88: {
    ...clause(
      'a TCP segment out of window ends no connection',
      packets('survives a segment out of window where tracking is liberal, and only there'),
    ),
    left: 'by --conntrack-tcp-be-liberal, which is off unless told, as in kube-proxy',
  },
  // Labels and slices
  89: clause('service-proxy-name', ['a Service that is handed to another proxy']),
  90: clause('the headless label', ['a Service labelled as headless']),
  91: clause('ExternalName', ['a Service that becomes an alias, and is one no more']),
  92: clause('publishNotReadyAddresses', ['endpoints published before they are ready']),
  93: clause('a slice of names', ['a slice of names, and one of the other family, do no harm']),
  94: clause('an address of the other family', [
    'a slice of names, and one of the other family, do no harm',
  ]),
  95: clause('each family has endpoints of its own', ['each family has endpoints of its own']),
  // Health
  96: clause(
    '/healthz when the kernel does not follow',
    health('tell apart a node that is leaving and a proxy that is ill'),
  ),
  97: clause(
    '/healthz and /livez of a node that is leaving',
    health('tell apart a node that is leaving and a proxy that is ill'),
  ),
  98: clause(
    'the weight that a health check port tells',
    health('answers like kube-proxy, in each family for itself'),
  ),
  99: clause(
    'the port is closed when the policy changes',
    health('fails while pods are leaving, and is closed with another policy'),
  ),
  // Robustness
  100: clause(
    'somebody flushes the ruleset',
    robust('is served again soon after somebody %s'),
    nftables('keeps others from changing its tables'),
  ),
  101: clause(
    'somebody deletes a rule',
    nftables('hears of it, and repairs the table after somebody deletes %s'),
  ),
  102: clause(
    'a restart writes nothing and loses nothing',
    loss('are not disturbed by an agent that is killed, stopped and started again'),
    nftables('leaves its tables to whoever comes after it, and to nobody before'),
  ),
  103: clause(
    'a restart without the API server keeps the rules, and opens health ports',
    savedState(
      'starts again by what was saved: the rules stay, and health ports are open',
      'touches nothing when it knows nothing: the file is torn, and the server away',
    ),
  ),
  104: clause(
    'a reboot without it: rules and health ports from the saved state',
    savedState('serves what was saved after a reboot: rules, names and health ports'),
  ),
  105: clause('slices come before their Service', [
    'slices come before their Service, and stay after it',
  ]),
  106: clause(
    'a thousand flaps a second',
    robust('follows a thousand flaps of an endpoint with few commits, and ends as it shall be'),
  ),
  107: clause(
    'one object that the kernel refuses',
    nftables('serves all others when the kernel refuses one'),
  ),
  108: clause(
    'cleanup leaves the rules of others to the byte',
    beside('leaves the rules of others as they were, to the byte'),
  ),
  109: clause(
    'rules that a kube-proxy left',
    beside(
      'removes rules that are left over, once there are others',
      'refuses while its process is in the same network, and changes nothing',
    ),
  ),
  110: clause(
    'a kernel that lacks something',
    node('is told of before anything is changed'),
    node('gets tables that others can change, and it is said and repaired'),
  ),
  111: clause(
    'masqueraded into a tunnel: the outer packet is as it was',
    packets('is translated on the inside alone'),
  ),
  112: clause(
    'programming is measured once for each trigger',
    metrics('measures programming once for each trigger, and counts changes'),
  ),
};

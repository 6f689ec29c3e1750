/** What a degraded state is, whoever it befalls. */
export interface DegradedKind {
  /** What it means for the node. */
  readonly what: string;
  /** What to do about it. */
  readonly todo: string;
}

/**
 * Everything the agent can be worse off by than it should be while it goes on, by name. The names are
 * the label `state` of podwire_degraded, so they stay as they are.
 */
export const DEGRADED_STATES = {
  'source-away': {
    what: 'changes of the cluster are not heard of; what was known last stays in force',
    todo: 'see whether the server named is up, can be reached from this node, and lets the agent in',
  },
  'serving-saved-state': {
    what: 'the objects are those of the saved state, and may be out of date',
    todo: 'nothing, once the source is back; see source-away',
  },
  'saved-state-failing': {
    what: 'a start without the source would find an old state, or none',
    todo: 'see that the disk of --saved-state has room and can be written',
  },
  'objects-refused': {
    what: 'objects can not be read; the last good ones stay in force',
    todo: 'mend the fields that are named',
  },
  'node-not-registered': {
    what: 'other nodes may not know of this one',
    todo: 'see whether etcd is up, can be reached, and lets the agent write below its prefix',
  },
  'config-refused': {
    what: 'a changed configuration is wrong; the one before it stays in force',
    todo: 'mend the line and field that are named, then reload',
  },
  'restart-needed': {
    what: 'options of a changed configuration are not in force, for they need a restart',
    todo: 'restart the agent; the rules stay meanwhile',
  },
  'corefile-refused': {
    what: 'a changed Corefile is wrong; the one before it stays in force',
    todo: 'mend it; "podwire dns check" says what is wrong with it',
  },
  'sync-failing': {
    what: 'the rules in the kernel do not follow the Services',
    todo: 'see what the kernel says; it is tried again until it holds',
  },
  'service-quarantined': {
    what: 'the kernel refuses a Service, which is not served here; the others are',
    todo: 'see what the kernel says of it, and change or report the Service',
  },
  'service-conflict': {
    what: 'two Services want one address and port, and one of them has it',
    todo: 'give one of them another address or port',
  },
  'health-port-failed': {
    what: 'a load balancer can not see that a Service has endpoints here',
    todo: 'free the port of healthCheckNodePort that is named',
  },
  'conntrack-sweep-failing': {
    what: 'UDP flows may still lead to endpoints that are gone',
    todo: 'see what the kernel says; it is tried again',
  },
  'sysctl-refused': {
    what: 'the kernel does not have a setting that Services need',
    todo: 'set it on the host, or let the agent set it',
  },
  'beside-kube-proxy': {
    what: 'kube-proxy runs on this node too, and decides some connections',
    todo: 'take it off the node, then run "kube-proxy --cleanup"',
  },
  'dns-addresses-lost': {
    what: 'queries to the DNS addresses of the node go to the Service instead',
    todo: 'see what the kernel says; it is tried again',
  },
  'listen-failed': {
    what: 'nobody can ask the agent at an address',
    todo: 'free the address and port; it is tried again',
  },
  'overlay-failing': {
    what: 'packets to pods of other nodes may not find their way',
    todo: 'see what is missing or in the way; it is tried again',
  },
  'subnet-not-leased': {
    what: 'the node has no subnet for its pods',
    todo: 'see whether etcd is there, and the network has room for another node',
  },
  'overlay-node-refused': {
    what: 'pods of a node that contradicts others, or itself, are not reached',
    todo: 'mend its podCIDRs, addresses or annotations',
  },
  'reload-failed': {
    what: 'a part could not be made to follow a change of its configuration',
    todo: 'see the log, then reload or restart',
  },
} as const satisfies Readonly<Record<string, DegradedKind>>;

/** The name of a degraded state. */
export type DegradedName = keyof typeof DEGRADED_STATES;

/** All of them, in the order they are shown in. */
export const DEGRADED_NAMES = Object.keys(DEGRADED_STATES) as readonly DegradedName[];

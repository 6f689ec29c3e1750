/** What the files below one folder (or one file) may import. The rule with the longest path holds. */
export interface ImportRule {
  readonly path: string;
  /** Folders and files of podwire; a folder stands for all below it. Its own folder is allowed. */
  readonly uses: readonly string[];
  /** Packages; tests may use any. */
  readonly packages: readonly string[];
  /** Completes "... must not, because". */
  readonly reason: string;
}

const rule = (
  path: string,
  uses: readonly string[],
  reason: string,
  packages: readonly string[] = [],
): ImportRule => ({ path, uses, packages, reason });

const errors = 'src/errors.ts';
const goDuration = 'src/go-duration.ts';
const base = ['src/sys', 'src/ipaddr', errors];
/** What consumers see of the cluster. */
const state = ['src/cluster/objects.ts', 'src/cluster/store.ts'];

/** The layers of ARCHITECTURE.md. */
export const IMPORT_RULES: readonly ImportRule[] = [
  rule(errors, [], 'everything may throw them'),
  rule(goDuration, [], 'it reads a text and knows nobody who writes one'),
  rule('src/ipaddr', [], 'everything stands on it, so it stands on nothing'),
  rule('src/sys', [errors], 'it is the door to libc and knows nobody behind it'),
  rule('src/netlink', base, 'the codec knows the kernel and nothing of what is built with it'),
  ...['route', 'nftables', 'conntrack', 'ipset', 'generic'].map((family) =>
    rule(
      `src/netlink/${family}`,
      [
        ...base,
        ...[
          'async-connection',
          'attribute',
          'connection',
          'error',
          'flags',
          'layout',
          'message',
          'netfilter',
          'outcome',
          'struct',
          'subscription',
          'transport',
          'writer',
        ].map((layer) => `src/netlink/${layer}.ts`),
      ],
      'families of netlink do not know one another',
    ),
  ),
  rule(
    'src/netlink/ipvs',
    [
      ...base,
      'src/netlink/generic',
      ...['attribute', 'connection', 'error', 'flags', 'message', 'outcome', 'struct'].map(
        (layer) => `src/netlink/${layer}.ts`,
      ),
    ],
    'it is a family of generic netlink and knows no other',
  ),
  rule(
    'src/netlink/tc',
    [
      'src/netlink/route/connection.ts',
      ...['attribute', 'layout', 'message', 'outcome', 'struct', 'writer'].map(
        (layer) => `src/netlink/${layer}.ts`,
      ),
      ...base,
    ],
    'traffic control is spoken on a connection of rtnetlink, and knows none of its other objects',
  ),
  rule(
    'src/netlink/fake',
    [
      'src/sys',
      ...['attribute', 'message', 'transport', 'writer'].map((layer) => `src/netlink/${layer}.ts`),
    ],
    'the fake kernel must not share the tables that it helps to test',
  ),
  rule(
    'src/iptables',
    ['src/netlink', ...base],
    'it runs programs, and knows nothing of the rules they make',
  ),
  rule(
    'src/cni',
    ['src/iptables', 'src/netlink', ...base],
    'plugins are started for each pod and must load little',
  ),
  rule(
    'src/cni/protocol',
    ['src/netlink/error.ts', ...base],
    'the contract does not depend on those who keep it; of the kernel it knows the words of a refusal',
  ),
  rule(
    'src/cni/runner',
    ['src/cni/protocol', ...base],
    'a runner executes plugins and never has them inside',
  ),
  rule(
    'src/cni/pod-interface',
    ['src/cni/protocol', 'src/netlink', ...base],
    'plugins use it, and it knows none of them',
  ),
  rule(
    'src/cni/iptables',
    ['src/cni/protocol', 'src/iptables', 'src/netlink', ...base],
    'it reads and writes a table, and knows nothing of what is in it',
  ),
  rule(
    'src/cni/masquerade',
    [
      'src/cni/iptables',
      'src/cni/pod-interface',
      'src/cni/protocol',
      'src/iptables',
      'src/netlink',
      ...base,
    ],
    'plugins use it, and it knows none of them',
  ),
  ...['bridge', 'host-local-ipam', 'loopback', 'portmap', 'ptp', 'vxlan'].map((plugin) =>
    rule(
      `src/cni/${plugin}`,
      [
        ...['iptables', 'masquerade', 'pod-interface', 'protocol'].map((part) => `src/cni/${part}`),
        'src/iptables',
        'src/netlink',
        ...base,
      ],
      'plugins do not import one another: IPAM is reached through protocol/delegate.ts, bridge is handed to vxlan',
    ),
  ),
  rule(
    'src/cni/vxlan/overlay',
    ['src/netlink', ...base],
    'who follows the cluster programs the overlay as well, and knows no CNI',
  ),
  rule(
    'src/cni/static',
    ['src/cni/protocol', 'src/ipaddr', errors],
    'it says what the configuration says, and touches neither kernel nor files',
  ),
  rule(
    'src/cni/sublink',
    ['src/cni/pod-interface', 'src/cni/protocol', 'src/netlink', ...base],
    'what plugins have in common does not know them',
  ),
  ...['ipvlan', 'macvlan'].map((plugin) =>
    rule(
      `src/cni/${plugin}`,
      ['src/cni/sublink', 'src/cni/protocol', 'src/ipaddr', errors],
      'it says which link it is; the verbs are in src/cni/sublink',
    ),
  ),
  rule('src/cluster', ['src/ipaddr', errors], 'what the cluster is does not depend on who asks', [
    'js-yaml',
    'valibot',
  ]),
  rule(
    'src/cluster/saved-state',
    [...['line-splitter', 'objects', 'store'].map((file) => `src/cluster/${file}.ts`), errors],
    'what is saved does not depend on where it is from',
  ),
  rule(
    'src/proxy',
    [...state, 'src/iptables', 'src/netlink', ...base],
    'the proxy sees the cluster as objects and knows no source, no DNS and no agent',
  ),
  rule(
    'src/proxy/model',
    [...state, 'src/ipaddr', errors],
    'the model is pure and the same for all backends',
  ),
  rule(
    'src/proxy/nftables',
    [
      'src/proxy/backend.ts',
      'src/proxy/live-check.ts',
      'src/proxy/node.ts',
      'src/proxy/model',
      ...state,
      'src/netlink',
      ...base,
    ],
    'backends share backend.ts and the model, and never import one another',
  ),
  rule(
    'src/proxy/iptables',
    [
      'src/proxy/backend.ts',
      'src/proxy/live-check.ts',
      'src/proxy/node.ts',
      'src/proxy/model',
      ...state,
      'src/iptables',
      'src/netlink',
      ...base,
    ],
    'backends share backend.ts and the model, and never import one another',
  ),
  rule(
    'src/proxy/explain',
    ['src/proxy/node.ts', 'src/proxy/model', ...state, 'src/ipaddr', errors],
    'what happens to a packet is said from the objects alone; a backend compares it with its rules',
  ),
  rule(
    'src/proxy/health',
    ['src/proxy/node.ts', 'src/proxy/model', ...state, 'src/ipaddr', errors],
    'health is what the model and the syncs say, whichever backend made the rules',
  ),
  rule(
    'src/proxy/memory',
    [
      'src/proxy/backend.ts',
      'src/proxy/node.ts',
      'src/proxy/model',
      ...state,
      'src/ipaddr',
      errors,
    ],
    'backends share backend.ts and the model, and never import one another',
  ),
  rule('src/proxy/beside', ['src/netlink', ...base], 'what others do is seen in the kernel alone'),
  rule(
    'src/proxy/conntrack',
    ['src/proxy/node.ts', 'src/proxy/model', ...state, 'src/netlink', ...base],
    'flows are compared with the routes in force, whichever backend made the rules',
  ),
  rule(
    'src/dns',
    [...state, ...base],
    'the DNS server sees the cluster as objects and knows no source, no proxy and no agent',
  ),
  rule('src/dns/wire', ['src/ipaddr', errors], 'the wire format depends on no zone'),
  rule('src/dns/zone', ['src/dns/wire', ...state, 'src/ipaddr', errors], 'planning a zone is pure'),
  rule('src/dns/message', ['src/dns/wire', 'src/ipaddr', errors], 'a message depends on no server'),
  rule(
    'src/dns/corefile',
    [
      'src/dns/message',
      'src/dns/wire',
      'src/dns/zone/reverse-zones.ts',
      'src/ipaddr',
      errors,
      goDuration,
    ],
    'a Corefile is parsed before anyone knows what its directives mean',
  ),
  rule(
    'src/dns/forward',
    ['src/dns/message', 'src/dns/wire', 'src/ipaddr', errors],
    'asking upstreams depends on no plugin',
  ),
  rule(
    'src/dns/cache',
    ['src/dns/message', 'src/dns/wire', 'src/dns/server/fallback.ts', 'src/ipaddr', errors],
    'keeping answers depends on no plugin, and threads load the reader alone',
  ),
  rule(
    'src/dns/plugin',
    [
      ...['cache', 'corefile', 'forward', 'message', 'wire'].map((part) => `src/dns/${part}`),
      ...['counters', 'fallback'].map((file) => `src/dns/server/${file}.ts`),
      'src/ipaddr',
      errors,
    ],
    'plugins see the server and the cluster through their environment',
  ),
  ...(
    'acl any autopath bind bufsize cache errors forward health hosts kubernetes loadbalance log loop ' +
    'prometheus ready reload rewrite template'
  )
    .split(' ')
    .map((plugin) =>
      rule(
        `src/dns/plugin/${plugin}`,
        [
          ...['cache', 'corefile', 'forward', 'message', 'wire', 'zone'].map(
            (part) => `src/dns/${part}`,
          ),
          ...['define', 'plugin', 'reply'].map((file) => `src/dns/plugin/${file}.ts`),
          'src/ipaddr',
          errors,
        ],
        'plugins do not import one another',
      ),
    ),
  rule(
    'src/dns/table',
    ['src/dns/wire', 'src/dns/zone', 'src/ipaddr', errors],
    'a table is only bytes',
  ),
  rule(
    'src/dns/server',
    ['src/dns/table', 'src/dns/wire', ...base],
    'threads answer from a table and know no cluster',
  ),
  rule(
    'src/dns/node-local',
    ['src/netlink', ...base],
    "taking addresses over is the kernel's business, and no zone's",
  ),
  rule(
    'src/dns/explain',
    ['src/dns', ...state, 'src/ipaddr', errors],
    'an explanation asks what the server asks',
  ),
  rule(
    'src/agent',
    ['src/cluster', 'src/proxy', 'src/dns', 'src/iptables', 'src/netlink', ...base],
    'the agent composes the parts that follow the cluster; plugins, lab and command line are not among them',
    ['pino', 'prom-client'],
  ),
  rule(
    'src/agent/overlay',
    [
      'src/agent/health/registry.ts',
      'src/agent/log.ts',
      ...state,
      'src/cni/vxlan/overlay',
      'src/netlink',
      ...base,
    ],
    'the overlay follows the nodes, and of plugins it knows what one of them does to the kernel',
    ['prom-client'],
  ),
  rule(
    'src/agent/kube-proxy',
    [
      ...['document', 'fault', 'nearest'].map((part) => `src/agent/config/${part}.ts`),
      'src/agent/local-addrs.ts',
      'src/cluster/decode.ts',
      'src/proxy',
      'src/ipaddr',
      errors,
      goDuration,
    ],
    'a configuration is read before anything runs',
    ['valibot'],
  ),
  rule(
    'src/agent/config',
    ['src/agent', 'src/cluster', 'src/dns/corefile', 'src/ipaddr', errors, goDuration],
    'a configuration is read before anything runs, and says what the parts of the agent are told',
    ['js-yaml', 'prom-client'],
  ),
  rule(
    'src/lab',
    ['src/cni/runner', 'src/netlink', ...base],
    'the lab runs podwire as its users do, through executables',
    ['dns2'],
  ),
  rule(
    'src/cli',
    ['src/agent', 'src/lab', 'src/cni', 'src/proxy', 'src/cluster', 'src/dns', ...base],
    'the command line is the only place with yargs, and has no business with the kernel',
    ['dns2', 'yargs'],
  ),
  rule(
    'src/entry.ts',
    ['src/cli/main.ts'],
    'every plugin loads this file, so it chooses and does nothing else',
  ),
];

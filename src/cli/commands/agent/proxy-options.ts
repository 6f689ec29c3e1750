import { hostname } from 'node:os';
import type { Argv } from 'yargs';
import { localAddrs } from '../../../agent/local-addrs.ts';
import { type Prefix, parsePrefix } from '../../../ipaddr/prefix.ts';
import { parseBindAddress } from '../../../proxy/config/bind-address.ts';
import { DEFAULT_SETTINGS, type LocalDetector } from '../../../proxy/model/settings.ts';
import { DEFAULT_NODE_RULES } from '../../../proxy/node.ts';
import type { ProxyOptions } from '../../../proxy/proxy.ts';

/** The flags of the proxy, named as kube-proxy's. */
export interface ProxyArgs {
  'hostname-override': string | undefined;
  'cluster-cidr': string | undefined;
  'detect-local-mode': string;
  'pod-bridge-interface': string | undefined;
  'pod-interface-name-prefix': string | undefined;
  'nodeport-addresses': string | undefined;
  'masquerade-all': boolean;
  'masquerade-bit': number;
  'healthz-bind-address': string;
  'metrics-bind-address': string;
  'bind-address-hard-fail': boolean;
}

const MODES = ['ClusterCIDR', 'BridgeInterface', 'InterfaceNamePrefix'] as const;
const GROUP = 'Services, as kube-proxy has them:';

/** Adds the flags of the proxy to a command. */
export function withProxyFlags<T>(yargs: Argv<T>): Argv<T & ProxyArgs> {
  return yargs
    .option('hostname-override', {
      type: 'string',
      group: GROUP,
      describe: "the node's name, as EndpointSlices have it; by default the host's",
    })
    .option('detect-local-mode', {
      choices: MODES,
      default: 'ClusterCIDR' as string,
      group: GROUP,
      describe: 'how pods of this node are told from others',
    })
    .option('cluster-cidr', {
      type: 'string',
      group: GROUP,
      describe: 'addresses of pods, one prefix for each family with a comma between',
    })
    .option('pod-bridge-interface', {
      type: 'string',
      group: GROUP,
      describe: 'the bridge pods are on, for BridgeInterface',
    })
    .option('pod-interface-name-prefix', {
      type: 'string',
      group: GROUP,
      describe: "the beginning of their interfaces' names, for InterfaceNamePrefix",
    })
    .option('nodeport-addresses', {
      type: 'string',
      group: GROUP,
      describe: 'where node ports are served: "primary", or prefixes with commas between',
    })
    .option('masquerade-all', {
      type: 'boolean',
      default: false,
      group: GROUP,
      describe: 'masquerade all that goes to cluster IPs',
    })
    .option('masquerade-bit', {
      type: 'number',
      default: DEFAULT_NODE_RULES.masqueradeBit,
      group: GROUP,
      describe: 'the bit of the packet mark that asks for it',
    })
    .option('healthz-bind-address', {
      type: 'string',
      default: '0.0.0.0:10256',
      group: GROUP,
      describe: 'IP and port of /healthz, /livez and /readyz; empty for none',
    })
    .option('metrics-bind-address', {
      type: 'string',
      default: '127.0.0.1:10249',
      group: GROUP,
      describe: 'IP and port of /metrics and /proxyMode; empty for none',
    })
    .option('bind-address-hard-fail', {
      type: 'boolean',
      default: false,
      group: GROUP,
      describe: 'end when one of these is taken, instead of trying again',
    });
}

const HEALTHZ_PORT = 10_256;
const METRICS_PORT = 10_249;

/** Where the agent serves HTTP. Throws an Error that names the flag. */
export function bindAddresses(args: ProxyArgs) {
  const address = (flag: 'healthz-bind-address' | 'metrics-bind-address', port: number) => {
    try {
      return parseBindAddress(args[flag], port);
    } catch (error) {
      throw new Error(`--${flag}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return {
    healthzBindAddress: address('healthz-bind-address', HEALTHZ_PORT),
    metricsBindAddress: address('metrics-bind-address', METRICS_PORT),
    bindAddressHardFail: args['bind-address-hard-fail'],
  };
}

/** What the flags mean. Throws an Error that names the flag, its value and what was expected. */
export function proxyOptions(args: ProxyArgs): ProxyOptions {
  const bit = args['masquerade-bit'];
  if (!Number.isInteger(bit) || bit < 0 || bit > 31) {
    throw new Error(`--masquerade-bit: expected a bit from 0 to 31, got ${bit}`);
  }
  return {
    settings: {
      ...DEFAULT_SETTINGS,
      // kube-proxy's way: node names are lower case, as the API has them.
      nodeName: (args['hostname-override'] ?? hostname()).trim().toLowerCase(),
      detector: detectorOf(args),
      masqueradeAll: args['masquerade-all'],
    },
    node: {
      masqueradeAll: args['masquerade-all'],
      masqueradeBit: bit,
      serviceCidrs: DEFAULT_NODE_RULES.serviceCidrs,
    },
    nodePorts: nodePortsOf(args['nodeport-addresses'] ?? ''),
    localAddrs,
  };
}

function detectorOf(args: ProxyArgs): LocalDetector {
  switch (args['detect-local-mode']) {
    case 'BridgeInterface':
      return { kind: 'bridge', name: needed(args, 'pod-bridge-interface') };
    case 'InterfaceNamePrefix':
      return { kind: 'interface-prefix', prefix: needed(args, 'pod-interface-name-prefix') };
    default: {
      const prefixes = prefixesOf('cluster-cidr', args['cluster-cidr'] ?? '');
      return prefixes.length === 0 ? { kind: 'none' } : { kind: 'prefixes', prefixes };
    }
  }
}

const INTERFACE_NAME_BYTES_MAX = 15; // IFNAMSIZ without the final NUL

function needed(
  args: ProxyArgs,
  flag: 'pod-bridge-interface' | 'pod-interface-name-prefix',
): string {
  const value = args[flag] ?? '';
  if (value !== '' && Buffer.byteLength(value) <= INTERFACE_NAME_BYTES_MAX) return value;
  const mode = args['detect-local-mode'];
  throw new Error(
    `--${flag}: expected 1 to ${INTERFACE_NAME_BYTES_MAX} bytes for --detect-local-mode ${mode}, got "${value}"`,
  );
}

function nodePortsOf(text: string): ProxyOptions['nodePorts'] {
  if (text === '' || text === 'primary') return 'primary';
  const prefixes = prefixesOf('nodeport-addresses', text);
  return prefixes.some(({ bits }) => bits === 0) ? 'all' : prefixes;
}

function prefixesOf(flag: string, text: string): Prefix[] {
  if (text === '') return [];
  return text.split(',').map((each) => {
    try {
      return parsePrefix(each.trim());
    } catch (error) {
      throw new Error(`--${flag}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
}

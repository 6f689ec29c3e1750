import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Argv } from 'yargs';
import { type BindAddress, parseBindAddress } from '../../../agent/kube-proxy/bind-address.ts';
import {
  FILE_BYTES_MAX,
  type KubeProxyConfig,
  readKubeProxyConfig,
} from '../../../agent/kube-proxy/config-file.ts';
import {
  defaultNodePortAddresses,
  HEALTHZ_PORT,
  KUBE_PROXY_DEFAULTS,
  type KubeProxySettings,
  LOCAL_MODES,
  METRICS_PORT,
  PROXY_MODES,
} from '../../../agent/kube-proxy/settings.ts';
import {
  checkInteger,
  checkInterfaceName,
  nodeNameOf,
  parseClusterCIDRs,
  parseDurationMs,
  parseNodePortAddresses,
} from '../../../agent/kube-proxy/values.ts';

/** The flags of the proxy, named as kube-proxy's. */
export interface ProxyArgs {
  config: string | undefined;
  'hostname-override': string;
  'proxy-mode': string;
  'cluster-cidr': string;
  'detect-local-mode': string;
  'pod-bridge-interface': string;
  'pod-interface-name-prefix': string;
  'nodeport-addresses': string;
  'masquerade-all': boolean;
  'masquerade-bit': number;
  'iptables-localhost-nodeports': boolean;
  'healthz-bind-address': string;
  'metrics-bind-address': string;
  'bind-address-hard-fail': boolean;
  'conntrack-max-per-core': number;
  'conntrack-min': number;
  'conntrack-tcp-timeout-established': string;
  'conntrack-tcp-timeout-close-wait': string;
  'conntrack-tcp-be-liberal': boolean;
  'conntrack-udp-timeout': string;
  'conntrack-udp-timeout-stream': string;
}

const GROUP = 'Services, as kube-proxy has them:';
const { conntrack: TRACKING } = KUBE_PROXY_DEFAULTS;

const text = (describe: string, value = '') => option('string', value, describe);
const flag = (describe: string) => option('boolean', false, describe);
const number = (describe: string, value: number) => option('number', value, describe);

function option<T extends 'string' | 'boolean' | 'number', V>(type: T, value: V, describe: string) {
  return { type, default: value, group: GROUP, describe } as const;
}

/** All but `--config`, which takes the place of the others. */
const FLAGS = {
  'hostname-override': text("the node's name, as EndpointSlices have it; by default the host's"),
  'proxy-mode': {
    choices: PROXY_MODES,
    default: KUBE_PROXY_DEFAULTS.mode as string,
    group: GROUP,
    describe: 'by which rules of the kernel Services are served',
  },
  'detect-local-mode': {
    choices: LOCAL_MODES,
    default: KUBE_PROXY_DEFAULTS.detectLocalMode as string,
    group: GROUP,
    describe: 'how pods of this node are told from others',
  },
  'cluster-cidr': text('addresses of pods, one prefix for each family with a comma between'),
  'pod-bridge-interface': text('the bridge pods are on, for BridgeInterface'),
  'pod-interface-name-prefix': text(
    "the beginning of their interfaces' names, for InterfaceNamePrefix",
  ),
  'nodeport-addresses': text(
    'where node ports are served: "primary", or prefixes with commas between; by default primary, or all in mode iptables',
  ),
  'masquerade-all': flag('masquerade all that goes to cluster IPs'),
  'masquerade-bit': number(
    'the bit of the packet mark that asks for it',
    KUBE_PROXY_DEFAULTS.masqueradeBit,
  ),
  'iptables-localhost-nodeports': option(
    'boolean',
    KUBE_PROXY_DEFAULTS.localhostNodePorts,
    'serve node ports on 127.0.0.1, too; in mode iptables',
  ),
  'healthz-bind-address': text(
    'IP and port of /healthz, /livez and /readyz; empty for none',
    `0.0.0.0:${HEALTHZ_PORT}`,
  ),
  'metrics-bind-address': text(
    'IP and port of /metrics and /proxyMode; empty for none',
    `127.0.0.1:${METRICS_PORT}`,
  ),
  'bind-address-hard-fail': flag('end when one of these is taken, instead of trying again'),
  'conntrack-max-per-core': number(
    'connections tracked for each core, 0 to leave the limit as it is',
    TRACKING.maxPerCore,
  ),
  'conntrack-min': number('connections tracked at least, whatever the cores', TRACKING.min),
  'conntrack-tcp-timeout-established': text('when an idle TCP connection is forgotten', '24h'),
  'conntrack-tcp-timeout-close-wait': text('the same of one that is half closed', '1h'),
  'conntrack-tcp-be-liberal': flag('track TCP segments that are out of window'),
  'conntrack-udp-timeout': text('when UDP without an answer is forgotten; 0s: as it is', '0s'),
  'conntrack-udp-timeout-stream': text('the same of UDP with answers', '0s'),
} as const;

/** With --config all flags of kube-proxy are passed over but this one; so it does itself. */
const BESIDE_CONFIG = 'hostname-override';

/** Adds the flags of the proxy to a command. */
export function withProxyFlags<T>(yargs: Argv<T>): Argv<T & ProxyArgs> {
  return yargs
    .option('config', {
      type: 'string',
      group: GROUP,
      describe: `a file with a KubeProxyConfiguration, in place of these flags but --${BESIDE_CONFIG}`,
    })
    .options(FLAGS) as unknown as Argv<T & ProxyArgs>;
}

/** What the configuration file or the flags mean. */
export interface ProxyChoice extends KubeProxyConfig {
  /** Flags that were given, and are passed over because of --config. */
  readonly passedOver: readonly string[];
  /** The configuration file, empty for none. */
  readonly text: string;
}

/** Reads the configuration file or the flags. Throws an Error that names the file or flag. */
export function proxySettings(args: ProxyArgs, given: readonly string[]): ProxyChoice {
  const { config: file } = args;
  if (file === undefined) {
    return { settings: settingsOfFlags(args), unused: [], passedOver: [], text: '' };
  }
  const read = readConfig(file);
  const config = readKubeProxyConfig(file, read, hostname());
  const override = args[BESIDE_CONFIG];
  const nodeName =
    override === ''
      ? config.settings.nodeName
      : at(BESIDE_CONFIG, () => nodeNameOf(override, hostname()));
  const flags = Object.keys(FLAGS).filter((name) => name !== BESIDE_CONFIG);
  const passedOver = flags.filter((name) =>
    given.some((word) => word === `--${name}` || word.startsWith(`--${name}=`)),
  );
  return { ...config, settings: { ...config.settings, nodeName }, passedOver, text: read };
}

/** The text of the configuration file. Throws an Error that names it. */
export function readConfig(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > FILE_BYTES_MAX) throw new Error(`${size} bytes, at most ${FILE_BYTES_MAX}`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`--config: ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function settingsOfFlags(args: ProxyArgs): KubeProxySettings {
  const detectLocalMode =
    LOCAL_MODES.find((mode) => mode === args['detect-local-mode']) ?? 'ClusterCIDR';
  const mode = PROXY_MODES.find((each) => each === args['proxy-mode']) ?? KUBE_PROXY_DEFAULTS.mode;
  const list = (name: 'cluster-cidr' | 'nodeport-addresses') =>
    args[name] === '' ? [] : args[name].split(',').map((each) => each.trim());
  const interfaceName = (
    name: 'pod-bridge-interface' | 'pod-interface-name-prefix',
    mode: (typeof LOCAL_MODES)[number],
  ) =>
    detectLocalMode === mode ? at(name, () => checkInterfaceName(args[name], mode)) : args[name];
  const bind = (
    name: 'healthz-bind-address' | 'metrics-bind-address',
    port: number,
  ): BindAddress | undefined => at(name, () => parseBindAddress(args[name], port));
  return {
    kubeconfig: '',
    mode,
    nodeName: at(BESIDE_CONFIG, () => nodeNameOf(args[BESIDE_CONFIG], hostname())),
    detectLocalMode,
    clusterCIDRs: at('cluster-cidr', () => parseClusterCIDRs(list('cluster-cidr'))),
    bridgeInterface: interfaceName('pod-bridge-interface', 'BridgeInterface'),
    interfaceNamePrefix: interfaceName('pod-interface-name-prefix', 'InterfaceNamePrefix'),
    nodePortAddresses: at(
      'nodeport-addresses',
      () => parseNodePortAddresses(list('nodeport-addresses')) ?? defaultNodePortAddresses(mode),
    ),
    masqueradeAll: args['masquerade-all'],
    masqueradeBit: at('masquerade-bit', () => checkInteger(args['masquerade-bit'], 0, 31)),
    localhostNodePorts: args['iptables-localhost-nodeports'],
    syncPeriodMs: KUBE_PROXY_DEFAULTS.syncPeriodMs,
    healthzBindAddress: bind('healthz-bind-address', HEALTHZ_PORT),
    metricsBindAddress: bind('metrics-bind-address', METRICS_PORT),
    bindAddressHardFail: args['bind-address-hard-fail'],
    conntrack: conntrackOfFlags(args),
  };
}

const INT32_MAX = 2 ** 31 - 1;

function conntrackOfFlags(args: ProxyArgs): KubeProxySettings['conntrack'] {
  const count = (name: 'conntrack-max-per-core' | 'conntrack-min') =>
    at(name, () => checkInteger(args[name], 0, INT32_MAX));
  const timeout = (
    name:
      | 'conntrack-tcp-timeout-established'
      | 'conntrack-tcp-timeout-close-wait'
      | 'conntrack-udp-timeout'
      | 'conntrack-udp-timeout-stream',
  ) => at(name, () => parseDurationMs(args[name]));
  return {
    maxPerCore: count('conntrack-max-per-core'),
    min: count('conntrack-min'),
    tcpEstablishedTimeoutMs: timeout('conntrack-tcp-timeout-established'),
    tcpCloseWaitTimeoutMs: timeout('conntrack-tcp-timeout-close-wait'),
    tcpBeLiberal: args['conntrack-tcp-be-liberal'],
    udpTimeoutMs: timeout('conntrack-udp-timeout'),
    udpStreamTimeoutMs: timeout('conntrack-udp-timeout-stream'),
  };
}

/** Names the flag in what is thrown. */
function at<T>(name: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new Error(`--${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

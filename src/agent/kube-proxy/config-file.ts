import * as v from 'valibot';
import { type FieldPath, formatPath } from '../../cluster/decode.ts';
import type { ConfigDocument } from '../config/document.ts';
import { ConfigError, shown } from '../config/fault.ts';
import { NO_SUCH_FIELD } from '../config/nearest.ts';
import { type KubeProxyConfiguration, kubeProxySchema } from './schema.ts';
import {
  KUBE_PROXY_DEFAULTS,
  type KubeProxySettings,
  PROXY_MODES,
  type ProxyMode,
} from './settings.ts';
import { checkInterfaceName, nodeNameOf } from './values.ts';

/** A field that says something and is not used. */
export interface UnusedField {
  readonly field: string;
  /** `file:line:column`. */
  readonly where: string;
}

/** What a configuration came to. */
export interface KubeProxyConfig {
  readonly settings: KubeProxySettings;
  readonly unused: readonly UnusedField[];
}

/**
 * Reads a KubeProxyConfiguration. `hostname` is the node's name where it gives none. Throws
 * ConfigError for the first thing that is wrong.
 */
export function readKubeProxyConfig(document: ConfigDocument, hostname: string): KubeProxyConfig {
  const fail = (path: FieldPath, problem: string): never => {
    throw new ConfigError([document.fault(path, problem)]);
  };
  const parsed = v.safeParse(kubeProxySchema, document.value, { abortEarly: true });
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const path = (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)));
    return fail(path, problemOf(issue));
  }
  const at = <T>(path: FieldPath, make: () => T): T => {
    try {
      return make();
    } catch (error) {
      return fail(path, error instanceof Error ? error.message : String(error));
    }
  };
  const settings = settingsOf(parsed.output, hostname, at);
  const used = usedFields(parsed.output);
  const unused = leavesOf(document.value)
    .filter((path) => !used.has(path.join('.')))
    .map((path) => ({ field: formatPath(path), where: document.placeOf(path) }));
  return { settings, unused };
}

/** What was expected, and what it got where the message does not say so itself. */
function problemOf({ message, input }: v.BaseIssue<unknown>): string {
  if (message.startsWith(NO_SUCH_FIELD) || message.includes(', got ')) return message;
  return `${message}, got ${shown(input)}`;
}

/** Calls `make` and reports what it throws at a field. */
type At = <T>(path: FieldPath, make: () => T) => T;

function settingsOf(config: KubeProxyConfiguration, hostname: string, at: At): KubeProxySettings {
  const defaults = KUBE_PROXY_DEFAULTS;
  const mode = config.mode || 'iptables';
  const shared = mode === 'nftables' ? config.nftables : config.iptables;
  const detectLocalMode = config.detectLocalMode || defaults.detectLocalMode;
  const name = (field: 'bridgeInterface' | 'interfaceNamePrefix', needed: string): string => {
    const value = config.detectLocal?.[field] ?? '';
    if (detectLocalMode !== needed) return value;
    return at(['detectLocal', field], () => checkInterfaceName(value, needed));
  };
  // The default of a Go duration is 0, and 0 stands for the default of these.
  const syncPeriodMs = config[mode]?.syncPeriod || defaults.syncPeriodMs;
  const minSyncPeriodMs = config[mode]?.minSyncPeriod ?? 0;
  if (minSyncPeriodMs > syncPeriodMs) {
    at([mode, 'minSyncPeriod'], () => {
      throw new Error(`expected no more than syncPeriod, ${syncPeriodMs / 1000} s`);
    });
  }
  const bindsV6 = config.bindAddress?.includes(':') === true;
  const addressIn = (of: typeof defaults.healthzBindAddress, v6: string) =>
    of !== undefined && bindsV6 ? { ...of, host: v6 } : of;
  return {
    kubeconfig: config.clientConnection?.kubeconfig ?? '',
    mode: at(['mode'], () => modeOf(config.mode ?? '')),
    nodeName: at(['hostnameOverride'], () => nodeNameOf(config.hostnameOverride ?? '', hostname)),
    detectLocalMode,
    clusterCIDRs: config.clusterCIDR ?? defaults.clusterCIDRs,
    bridgeInterface: name('bridgeInterface', 'BridgeInterface'),
    interfaceNamePrefix: name('interfaceNamePrefix', 'InterfaceNamePrefix'),
    // kube-proxy serves node ports on all addresses, but in its mode nftables.
    nodePortAddresses:
      config.nodePortAddresses ?? (mode === 'nftables' ? defaults.nodePortAddresses : 'all'),
    masqueradeAll: shared?.masqueradeAll ?? defaults.masqueradeAll,
    masqueradeBit: shared?.masqueradeBit ?? defaults.masqueradeBit,
    localhostNodePorts: config.iptables?.localhostNodePorts ?? defaults.localhostNodePorts,
    syncPeriodMs,
    healthzBindAddress: config.healthzBindAddress ?? addressIn(defaults.healthzBindAddress, '::'),
    metricsBindAddress: config.metricsBindAddress ?? addressIn(defaults.metricsBindAddress, '::1'),
    bindAddressHardFail: config.bindAddressHardFail ?? defaults.bindAddressHardFail,
    conntrack: conntrackOf(config),
  };
}

/** Throws an Error for a mode that is kube-proxy's alone. Without one it is ours to choose. */
function modeOf(mode: string): ProxyMode {
  if (mode === '') return KUBE_PROXY_DEFAULTS.mode;
  const known = PROXY_MODES.find((each) => each === mode);
  if (known !== undefined) return known;
  throw new Error(`expected one of ${PROXY_MODES.join(', ')}, got "${mode}"`);
}

function conntrackOf({ conntrack = {} }: KubeProxyConfiguration): KubeProxySettings['conntrack'] {
  const defaults = KUBE_PROXY_DEFAULTS.conntrack;
  return {
    maxPerCore: conntrack.maxPerCore ?? defaults.maxPerCore,
    min: conntrack.min ?? defaults.min,
    tcpEstablishedTimeoutMs: conntrack.tcpEstablishedTimeout ?? defaults.tcpEstablishedTimeoutMs,
    tcpCloseWaitTimeoutMs: conntrack.tcpCloseWaitTimeout ?? defaults.tcpCloseWaitTimeoutMs,
    tcpBeLiberal: conntrack.tcpBeLiberal ?? defaults.tcpBeLiberal,
    udpTimeoutMs: conntrack.udpTimeout ?? defaults.udpTimeoutMs,
    udpStreamTimeoutMs: conntrack.udpStreamTimeout ?? defaults.udpStreamTimeoutMs,
  };
}

const ALWAYS_USED = [
  'clientConnection.kubeconfig',
  'apiVersion',
  'kind',
  'hostnameOverride',
  'bindAddress',
  'healthzBindAddress',
  'metricsBindAddress',
  'bindAddressHardFail',
  'detectLocalMode',
  'nodePortAddresses',
  'conntrack.maxPerCore',
  'conntrack.min',
  'conntrack.tcpEstablishedTimeout',
  'conntrack.tcpCloseWaitTimeout',
  'conntrack.tcpBeLiberal',
  'conntrack.udpTimeout',
  'conntrack.udpStreamTimeout',
];
const USED_BY_LOCAL_MODE: Readonly<Record<string, string>> = {
  ClusterCIDR: 'clusterCIDR',
  BridgeInterface: 'detectLocal.bridgeInterface',
  InterfaceNamePrefix: 'detectLocal.interfaceNamePrefix',
};

/** The fields that had a say, by the modes chosen. */
function usedFields(config: KubeProxyConfiguration): ReadonlySet<string> {
  const mode = config.mode || 'iptables';
  const shared = mode === 'nftables' ? 'nftables' : 'iptables';
  const localMode = USED_BY_LOCAL_MODE[config.detectLocalMode || 'ClusterCIDR'];
  return new Set([
    ...ALWAYS_USED,
    'mode',
    ...(config.mode === 'iptables' ? ['iptables.localhostNodePorts'] : []),
    `${shared}.masqueradeBit`,
    `${shared}.masqueradeAll`,
    `${mode}.syncPeriod`,
    ...(localMode === undefined ? [] : [localMode]),
  ]);
}

const SAYS_NOTHING: ReadonlySet<unknown> = new Set([null, '', 0, false, '0', '0s']);

/** The paths of all values that say something; lists are values. */
function leavesOf(value: unknown, path: FieldPath = []): FieldPath[] {
  if (SAYS_NOTHING.has(value)) return [];
  if (Array.isArray(value)) return value.length === 0 ? [] : [path];
  if (typeof value !== 'object' || value === null) return [path];
  // It has passed the schema, so it is as deep as that.
  return Object.entries(value).flatMap(([key, each]) => leavesOf(each, [...path, key]));
}

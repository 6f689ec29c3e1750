import { loadAll, parseEvents, YAMLException } from 'js-yaml';
import * as v from 'valibot';
import { type FieldPath, formatPath } from '../../cluster/decode.ts';
import { lineOf } from '../../cluster/manifests/positions.ts';
import { PodwireError } from '../../errors.ts';
import { type KubeProxyConfiguration, kubeProxySchema, NO_SUCH_FIELD } from './schema.ts';
import {
  KUBE_PROXY_DEFAULTS,
  type KubeProxySettings,
  PROXY_MODES,
  type ProxyMode,
} from './settings.ts';
import { checkInterfaceName, nodeNameOf } from './values.ts';

/** A configuration is some kilobytes; this is a mistake. */
export const FILE_BYTES_MAX = 1 << 20;
const SHOWN_CHARACTERS_MAX = 80;

/** A configuration that can't be used: where, which field, and what was expected. */
export class KubeProxyConfigError extends PodwireError {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Such as `conntrack.min`; empty when the YAML itself is broken. */
  readonly field: string;

  constructor(file: string, line: number, field: string, problem: string) {
    const at = field === '' ? '' : `${field}: `;
    super('ERR_KUBE_PROXY_CONFIG', `${file}:${line}: ${at}${problem}`);
    this.file = file;
    this.line = line;
    this.field = field;
  }
}

/** A field that says something and is not used. */
export interface UnusedField {
  readonly field: string;
  readonly line: number;
}

/** What a configuration file came to. */
export interface KubeProxyConfig {
  readonly settings: KubeProxySettings;
  readonly unused: readonly UnusedField[];
}

/**
 * Reads a KubeProxyConfiguration. `hostname` is the node's name where it gives none. Throws
 * KubeProxyConfigError for the first thing that is wrong.
 */
export function readKubeProxyConfig(file: string, text: string, hostname: string): KubeProxyConfig {
  const fail = (path: FieldPath, problem: string): never => {
    const line = path.length === 0 ? 1 : lineOf(text, parseEvents(text, {}), 0, path);
    throw new KubeProxyConfigError(file, line, formatPath(path), problem);
  };
  const raw = documentOf(file, text);
  const parsed = v.safeParse(kubeProxySchema, raw, { abortEarly: true });
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
  const unused = leavesOf(raw)
    .filter((path) => !used.has(path.join('.')))
    .map((path) => ({
      field: formatPath(path),
      line: lineOf(text, parseEvents(text, {}), 0, path),
    }));
  return { settings, unused };
}

/** What was expected, and what it got where the message does not say so itself. */
function problemOf({ message, input }: v.BaseIssue<unknown>): string {
  if (message === NO_SUCH_FIELD || message.includes(', got ')) return message;
  const got = (JSON.stringify(input) ?? 'nothing').slice(0, SHOWN_CHARACTERS_MAX);
  return `${message}, got ${got}`;
}

function documentOf(file: string, text: string): unknown {
  let documents: unknown[];
  try {
    documents = loadAll(text);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const line = (error.mark?.line ?? 0) + 1;
    throw new KubeProxyConfigError(file, line, '', `not YAML: ${error.reason}`);
  }
  if (documents.length !== 1) {
    const problem = `expected one document, got ${documents.length}`;
    throw new KubeProxyConfigError(file, 1, '', problem);
  }
  return documents[0];
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

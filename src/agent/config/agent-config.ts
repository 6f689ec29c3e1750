import { hostname } from 'node:os';
import { readKubeProxyConfig } from '../kube-proxy/config-file.ts';
import type { KubeProxySettings } from '../kube-proxy/settings.ts';
import type { OverlaySettings } from '../overlay/settings.ts';
import {
  OPTION_NAMES,
  OPTIONS,
  type OptionName,
  SOURCE_NAMES,
  type Values,
} from './definitions.ts';
import { ConfigDocument, type ReadFile, readConfigFile } from './document.ts';
import { ConfigError, type Fault, shown } from './fault.ts';
import { type FileLayer, fileLayer } from './file-layer.ts';
import {
  faultAt,
  formatOrigin,
  type Layer,
  type Origin,
  type ReadLayer,
  type Said,
} from './origin.ts';
import { resolve } from './resolve.ts';
import { overlaySettings, proxySettings } from './settings.ts';
import { CONFIG_VARIABLE, environmentLayer, flagLayer, misspelt } from './text-layers.ts';

export const API_VERSION = 'podwire/v1alpha1';
export const KIND = 'AgentConfiguration';
const KUBE_PROXY_KIND = 'KubeProxyConfiguration';

/** Where a configuration is from. */
export interface ConfigInput {
  /** Flags by their names, as yargs has them; `config` among them. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Something that is not wrong, and worth a word. */
export interface ConfigWarning {
  readonly where: string;
  readonly problem: string;
}

/** The configuration in force, or one that could be. */
export interface AgentConfig {
  readonly values: Values;
  readonly origins: Readonly<Record<OptionName, Origin>>;
  readonly warnings: readonly ConfigWarning[];
  /** The files it was read from. */
  readonly files: readonly ReadFile[];
  /** What the values mean for the proxy. */
  readonly kubeProxy: KubeProxySettings;
  /** And for the overlay; undefined for none. */
  readonly overlay: OverlaySettings | undefined;
}

/**
 * Reads what there is: flags over variables over the file over a KubeProxyConfiguration in it or named
 * by it, over defaults. A file that holds nothing but a KubeProxyConfiguration goes before the flags and
 * variables it has a field for, as it does for kube-proxy, but for the node's name. Throws ConfigError
 * with all that is wrong; nothing has been touched.
 */
export function readAgentConfig({ flags, environment }: ConfigInput): AgentConfig {
  const warnings: ConfigWarning[] = [];
  const texts = [flagLayer(flags), environmentLayer(environment)];
  const faults: Fault[] = [];
  for (const { variable, meant } of misspelt(environment)) {
    warnings.push({ where: variable, problem: `nobody reads it; did you mean ${meant}?` });
  }
  const above = texts.map(({ layer }) => layer);
  const file = readFile(configFile(flags, environment), above, faults);
  if (file.isKubeProxyAlone) warnings.push(...texts.flatMap(passOver));
  faults.unshift(...texts.flatMap((each) => [...each.faults.values()]));
  const kubeProxy = kubeProxyLayer(file, faults, warnings);
  const layers = [...above, file.layer, kubeProxy];
  if (layers.slice(0, -1).some((layer) => SOURCE_NAMES.some((name) => layer.has(name)))) {
    const passedOver = kubeProxy.get('sources.kubernetes.kubeconfig');
    if (passedOver?.value !== undefined) {
      const problem = 'passed over, for a source of the cluster is named elsewhere';
      const place = `${formatOrigin(passedOver.origin)}: clientConnection.kubeconfig`;
      warnings.push({ where: place, problem });
    }
    kubeProxy.delete('sources.kubernetes.kubeconfig');
  }
  const { values, origins, faults: together } = resolve(layers);
  const all = [...faults, ...together];
  if (all.length > 0) throw new ConfigError(all);
  return { values, origins, warnings, files: file.files, ...meant(values, origins) };
}

/** A configuration, but with what another one says of some options. Throws ConfigError. */
export function withValues(
  config: AgentConfig,
  other: AgentConfig,
  names: readonly OptionName[],
): AgentConfig {
  const values = { ...config.values, ...picked(other.values, names) };
  const origins = { ...config.origins, ...picked(other.origins, names) };
  return { ...config, values, origins, ...meant(values, origins) };
}

function picked<T extends object>(of: T, names: readonly (keyof T)[]): Partial<T> {
  return Object.fromEntries(names.map((name) => [name, of[name]])) as Partial<T>;
}

function meant(
  values: Values,
  origins: AgentConfig['origins'],
): Pick<AgentConfig, 'kubeProxy' | 'overlay'> {
  const fail = (name: OptionName, problem: string): never => {
    throw new ConfigError([faultAt(origins[name], name, problem)]);
  };
  return { kubeProxy: proxySettings(values, fail), overlay: overlaySettings(values, fail) };
}

/** Reads a file alone, as `podwire config check` does. Throws ConfigError. */
export function readAlone(file: string): AgentConfig {
  return readAgentConfig({ flags: { config: file }, environment: {} });
}

interface NamedFile {
  readonly name: string;
  readonly by: string;
}

function configFile(
  flags: ConfigInput['flags'],
  environment: ConfigInput['environment'],
): NamedFile | undefined {
  const { config: flag } = flags;
  const by = flag === undefined ? CONFIG_VARIABLE : '--config';
  const name = flag ?? environment[CONFIG_VARIABLE];
  if (name === undefined) return undefined;
  if (typeof name === 'string' && name !== '') return { name, by };
  throw new ConfigError([{ where: by, field: '', problem: `expected a file, got ${shown(name)}` }]);
}

/** What the file came to. */
interface ConfigFile {
  readonly layer: Layer;
  readonly kubeProxy: ConfigDocument | undefined;
  readonly isKubeProxyAlone: boolean;
  readonly files: readonly ReadFile[];
}

function readFile(
  named: NamedFile | undefined,
  above: readonly Layer[],
  faults: Fault[],
): ConfigFile {
  const empty = { layer: new Map(), kubeProxy: undefined, isKubeProxyAlone: false, files: [] };
  if (named === undefined) return empty;
  const read = readConfigFile(named.name, named.by);
  const { own, kubeProxy } = kindsOf(read, ConfigDocument.all(read));
  if (own === undefined) return { ...empty, kubeProxy, isKubeProxyAlone: true, files: [read] };
  const said = fileLayer(own);
  faults.push(...said.faults);
  const pointed = pointedTo(said, above);
  const all = [kubeProxy, said.embedded, pointed?.document].filter((each) => each !== undefined);
  if (all.length > 1) {
    const problem = `expected one ${KUBE_PROXY_KIND}, in a document or a field of its own or in a file, got ${all.length}`;
    faults.push(own.fault(['proxy'], problem));
  }
  const files = pointed === undefined ? [read] : [read, pointed.read];
  return { layer: said.layer, kubeProxy: all[0], isKubeProxyAlone: false, files };
}

/** The KubeProxyConfiguration in a file of its own. */
function pointedTo(
  { layer }: FileLayer,
  above: readonly Layer[],
): { readonly document: ConfigDocument; readonly read: ReadFile } | undefined {
  const name = 'proxy.kubeProxyConfigurationFile';
  const said = [...above, layer].find((each) => each.has(name))?.get(name);
  if (typeof said?.value !== 'string') return undefined;
  const read = readConfigFile(said.value, `${formatOrigin(said.origin)}: ${name}`);
  const { own, kubeProxy } = kindsOf(read, ConfigDocument.all(read));
  if (own !== undefined || kubeProxy === undefined) {
    const problem = `expected a ${KUBE_PROXY_KIND} and nothing else`;
    throw new ConfigError([{ where: `${read.file}:1:1`, field: '', problem }]);
  }
  return { document: kubeProxy, read };
}

/** Tells the documents of a file by their kinds. Throws ConfigError. */
function kindsOf(
  { file }: ReadFile,
  documents: readonly ConfigDocument[],
): { readonly own: ConfigDocument | undefined; readonly kubeProxy: ConfigDocument | undefined } {
  const found = new Map<string, ConfigDocument>();
  for (const document of documents) {
    const kind = kindOf(document);
    if (found.has(kind)) {
      throw new ConfigError([document.fault(['kind'], `expected one ${kind}, got another one`)]);
    }
    found.set(kind, document);
  }
  if (found.size === 0) {
    const problem = `expected ${API_VERSION} ${KIND}, got an empty file`;
    throw new ConfigError([{ where: `${file}:1:1`, field: '', problem }]);
  }
  return { own: found.get(KIND), kubeProxy: found.get(KUBE_PROXY_KIND) };
}

function kindOf(document: ConfigDocument): string {
  const { value } = document;
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isMapping) {
    throw new ConfigError([document.fault([], `expected a mapping, got ${shown(value)}`)]);
  }
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  if (kind !== KIND && kind !== KUBE_PROXY_KIND) {
    const problem = `expected "${KIND}" or "${KUBE_PROXY_KIND}", got ${shown(kind)}`;
    throw new ConfigError([document.fault(['kind'], problem)]);
  }
  // That of a KubeProxyConfiguration is checked with its fields.
  if (kind === KIND && apiVersion !== API_VERSION) {
    const problem = `expected "${API_VERSION}", got ${shown(apiVersion)}`;
    throw new ConfigError([document.fault(['apiVersion'], problem)]);
  }
  return kind;
}

/** Takes out of a layer what a KubeProxyConfiguration alone goes before, right or wrong. */
function passOver({ layer, faults }: ReadLayer): ConfigWarning[] {
  return OPTION_NAMES.flatMap((name) => {
    const isSource = SOURCE_NAMES.some((each) => each === name);
    if (OPTIONS[name].kubeProxy === undefined || isSource || name === 'node.name') return [];
    const said = layer.get(name);
    const where = said === undefined ? faults.get(name)?.where : formatOrigin(said.origin);
    layer.delete(name);
    faults.delete(name);
    const problem = 'passed over: --config takes its place';
    return where === undefined ? [] : [{ where, problem }];
  });
}

function kubeProxyLayer(
  { kubeProxy: document }: ConfigFile,
  faults: Fault[],
  warnings: ConfigWarning[],
): Map<OptionName, Said> {
  const layer = new Map<OptionName, Said>();
  if (document === undefined) return layer;
  try {
    const { settings, unused } = readKubeProxyConfig(document, hostname());
    for (const { field, where } of unused) {
      warnings.push({ where: `${where}: ${field}`, problem: 'not used' });
    }
    const origin = { by: 'kube-proxy', file: document.file } as const;
    for (const name of OPTION_NAMES) {
      const { kubeProxy } = OPTIONS[name];
      if (kubeProxy !== undefined) layer.set(name, { value: kubeProxy(settings), origin });
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.push(...error.faults);
  }
  return layer;
}

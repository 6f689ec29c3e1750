import type { Directive } from '../../corefile/parse.ts';
import { expectArgs, fail, numberBetween, oneArg, oneOf, zonesOf } from '../../corefile/values.ts';
import { KUBERNETES_ZONE_DEFAULTS, type KubernetesZoneOptions } from '../../zone/options.ts';
import { parseSelector } from '../../zone/selector.ts';
import type { DirectiveContext } from '../plugin.ts';

/** Options that say how CoreDNS reaches the API; ours comes to its objects by the agent's source. */
const API_OPTIONS: ReadonlySet<string> = new Set([
  'endpoint',
  'tls',
  'kubeconfig',
  'apiserver_qps',
  'apiserver_burst',
  'apiserver_max_inflight',
  'startup_timeout',
]);
const TTL_MAX = 3600;

/** `kubernetes [ZONES...] { ... }`: the options of the table, which the agent builds. */
export interface KubernetesConfig {
  readonly options: KubernetesZoneOptions;
  /** Options that were read and have no effect here. */
  readonly ignored: readonly string[];
}

export function parseKubernetes(
  [directive]: readonly Directive[],
  context: DirectiveContext,
): KubernetesConfig {
  const zones = zonesOf(directive?.args ?? [], context.zones).map(withoutDot);
  let options: KubernetesZoneOptions = { ...KUBERNETES_ZONE_DEFAULTS, zones };
  const ignored: string[] = [];
  for (const line of directive?.body ?? []) {
    if (API_OPTIONS.has(line.name.text)) ignored.push(line.name.text);
    else options = { ...options, ...parseOption(line, zones) };
  }
  return { options, ignored };
}

function parseOption(line: Directive, zones: readonly string[]): Partial<KubernetesZoneOptions> {
  const { name, args } = line;
  switch (name.text) {
    case 'ttl':
      return { ttlSeconds: numberBetween(oneArg(line), 0, TTL_MAX) };
    case 'pods':
      return { pods: oneOf(oneArg(line), ['disabled', 'insecure', 'verified']) };
    case 'namespaces':
      return { namespaces: expectArgs(line, 1, 10_000).map(({ text }) => text) };
    case 'namespace_labels':
      return { namespaceLabels: selector(line) };
    case 'labels':
      return { labels: selector(line) };
    case 'endpoint_pod_names':
      return { endpointPodNames: true };
    case 'noendpoints':
      return { noEndpoints: true };
    case 'zonal':
      return { zonal: true };
    case 'ignore':
      oneOf(oneArg(line), ['empty_service']);
      return { ignoreEmptyService: true };
    case 'multicluster':
      return { multicluster: zonesOf(args, []).map(withoutDot) };
    case 'fallthrough':
      return { fallthrough: args.length === 0 ? ['.'] : zonesOf(args, zones).map(withoutDot) };
    default:
      return fail(name, `kubernetes: unexpected "${name.text}"`);
  }
}

function selector(line: Directive): ReturnType<typeof parseSelector> {
  const words = expectArgs(line, 1, 100);
  try {
    return parseSelector(words.map(({ text }) => text).join(' '));
  } catch (error) {
    return fail(words[0] ?? line.name, `kubernetes: ${(error as Error).message}`);
  }
}

function withoutDot(zone: string): string {
  return zone === '.' ? zone : zone.slice(0, -1);
}

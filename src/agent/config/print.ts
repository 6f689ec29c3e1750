import { type AgentConfig, API_VERSION, KIND } from './agent-config.ts';
import { OPTION_NAMES, OPTIONS, type OptionName, SECTIONS } from './definitions.ts';
import { formatOrigin } from './origin.ts';
import { yamlText } from './text.ts';
import type { YamlValue } from './value-type.ts';

/** Documents of its own are told apart by their indentation. */
const INDENT = '  ';

/**
 * What holds, as a file that says the same. With `sources` a comment behind each value tells who said
 * it. A KubeProxyConfiguration has become the values it stands for.
 */
export function printConfig(config: AgentConfig, sources: boolean): string {
  const lines = [`apiVersion: ${API_VERSION}`, `kind: ${KIND}`];
  for (const { names } of SECTIONS) {
    let above: readonly string[] = [];
    for (const name of names) {
      const steps = name.split('.');
      const parents = steps.slice(0, -1);
      for (const [depth, step] of parents.entries()) {
        const isOpen = parents.slice(0, depth + 1).every((each, at) => above[at] === each);
        if (!isOpen) lines.push(`${INDENT.repeat(depth)}${step}:`);
      }
      above = parents;
      const indent = INDENT.repeat(parents.length);
      const origin = sources ? `  # ${formatOrigin(config.origins[name])}` : '';
      lines.push(`${indent}${steps.at(-1)}: ${yamlText(printedValue(config, name))}${origin}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The same for programs. */
export function configJson({ values, origins }: AgentConfig): unknown {
  return OPTION_NAMES.map((name) => ({
    field: name,
    value: OPTIONS[name].type.format(values[name]),
    source: formatOrigin(origins[name]),
  }));
}

/** Null where something else says it, and where the value is in those beside it already. */
function printedValue({ values }: AgentConfig, name: OptionName): YamlValue {
  if (name === 'proxy.kubeProxyConfigurationFile') return null;
  const { excludedBy = [], type } = OPTIONS[name];
  const isExcluded = excludedBy.some((each) => values[each as OptionName] !== undefined);
  return isExcluded && values[name] !== false ? null : type.format(values[name]);
}

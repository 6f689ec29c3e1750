import { OPTION_NAMES, OPTIONS, type OptionName, type Values } from './definitions.ts';
import type { Fault } from './fault.ts';
import { faultAt, type Layer, type Origin } from './origin.ts';

/** What holds, and who said it. */
export interface Resolved {
  readonly values: Values;
  readonly origins: Readonly<Record<OptionName, Origin>>;
  readonly faults: readonly Fault[];
}

const DEFAULT: Origin = { by: 'default' };

/** Of each option, what the first layer says that says anything; else the default. */
export function resolve(layers: readonly Layer[]): Resolved {
  const values: Partial<Record<OptionName, unknown>> = {};
  const origins: Partial<Record<OptionName, Origin>> = {};
  for (const name of OPTION_NAMES) {
    const said = layers.find((layer) => layer.has(name))?.get(name);
    values[name] = said === undefined ? OPTIONS[name].default : said.value;
    origins[name] = said?.origin ?? DEFAULT;
  }
  const all = origins as Record<OptionName, Origin>;
  return { values: values as unknown as Values, origins: all, faults: togetherness(values, all) };
}

/** Options that do not go together, or not without one another. */
function togetherness(
  values: Readonly<Partial<Record<OptionName, unknown>>>,
  origins: Readonly<Record<OptionName, Origin>>,
): Fault[] {
  const isSaid = (name: string) =>
    origins[name as OptionName].by !== 'default' && saysSomething(values[name as OptionName]);
  return OPTION_NAMES.flatMap((name) => {
    const { excludedBy = [], needs = [] } = OPTIONS[name];
    if (!isSaid(name)) return [];
    const excluding = excludedBy.find(isSaid);
    if (excluding !== undefined) {
      const problem = `expected no such value beside ${named(excluding)}`;
      return [faultAt(origins[name], name, problem)];
    }
    if (needs.length === 0 || needs.some(isSaid)) return [];
    return [faultAt(origins[name], name, `expected it beside ${named(needs[0] ?? '')} only`)];
  });
}

/** Both names of an option: whoever reads this has typed either. */
export function named(name: string): string {
  const { flag } = OPTIONS[name as OptionName];
  return flag === undefined ? name : `${name} (--${flag})`;
}

function saysSomething(value: unknown): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}

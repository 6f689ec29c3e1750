import { OPTION_NAMES, OPTIONS, type OptionName } from './definitions.ts';
import type { Fault } from './fault.ts';
import { nearest } from './nearest.ts';
import type { Option } from './option.ts';
import type { ReadLayer, Said } from './origin.ts';

const PREFIX = 'PODWIRE_';
/** The variable that takes the place of --config. */
export const CONFIG_VARIABLE = `${PREFIX}CONFIG`;
/**
 * Kubernetes tells pods of Services in variables, as Docker did of links: a Service `podwire-dns` is
 * PODWIRE_DNS_PORT. No option is written like this.
 */
const SERVICE_LINK = /^(?:tcp|udp|sctp):\/\//i;

/** The variable that says an option; undefined for one without a flag. */
export function variableOf({ flag }: Pick<Option<unknown>, 'flag'>): string | undefined {
  return flag === undefined ? undefined : `${PREFIX}${flag.toUpperCase().replaceAll('-', '_')}`;
}

/** What flags say, as yargs has them: text, `true` or `false`, or several of these. */
export function flagLayer(args: Readonly<Record<string, unknown>>): ReadLayer {
  const layer = new Map<OptionName, Said>();
  const faults = new Map<OptionName, Fault>();
  for (const name of OPTION_NAMES) {
    const { flag, type } = OPTIONS[name];
    if (flag === undefined) continue;
    const given = args[flag];
    if (given === undefined) continue;
    try {
      layer.set(name, {
        value: type.parse(textOf(given, type.isList)),
        origin: { by: 'flag', flag },
      });
    } catch (error) {
      faults.set(name, { where: `--${flag}`, field: '', problem: (error as Error).message });
    }
  }
  return { layer, faults };
}

function textOf(given: unknown, isList: boolean): string {
  if (!Array.isArray(given)) return String(given);
  if (!isList) throw new Error(`expected it once, got it ${given.length} times`);
  return given.map(String).join(',');
}

/** What the environment says. */
export function environmentLayer(
  environment: Readonly<Record<string, string | undefined>>,
): ReadLayer {
  const layer = new Map<OptionName, Said>();
  const faults = new Map<OptionName, Fault>();
  for (const name of OPTION_NAMES) {
    const variable = variableOf(OPTIONS[name]);
    const given = variable === undefined ? undefined : environment[variable];
    if (variable === undefined || given === undefined || SERVICE_LINK.test(given)) continue;
    try {
      const origin = { by: 'environment', variable } as const;
      layer.set(name, { value: OPTIONS[name].type.parse(given), origin });
    } catch (error) {
      faults.set(name, { where: variable, field: '', problem: (error as Error).message });
    }
  }
  return { layer, faults };
}

/** Variables that are nearly one of ours, and the one that may be meant. */
export function misspelt(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly variable: string; readonly meant: string }[] {
  const known = [...OPTION_NAMES.map((name) => variableOf(OPTIONS[name])), CONFIG_VARIABLE].filter(
    (each) => each !== undefined,
  );
  return Object.keys(environment).flatMap((variable) => {
    if (!variable.startsWith(PREFIX) || known.includes(variable)) return [];
    const short = nearest(
      variable.slice(PREFIX.length),
      known.map((each) => each.slice(PREFIX.length)),
    );
    return short === undefined ? [] : [{ variable, meant: `${PREFIX}${short}` }];
  });
}

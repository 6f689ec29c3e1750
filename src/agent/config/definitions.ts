import type { Option, ValuesOf } from './option.ts';
import { DNS } from './options/dns.ts';
import { HTTP } from './options/http.ts';
import { LOG } from './options/log.ts';
import { NODE } from './options/node.ts';
import { OVERLAY } from './options/overlay.ts';
import { PROXY } from './options/proxy.ts';
import { ETCD, SAVED_STATE, SOURCES } from './options/sources.ts';

/** The options of one subject, which is the first step of their paths. */
export interface Section {
  readonly name: string;
  /** What `--help` and the documents call it. */
  readonly title: string;
  readonly names: readonly OptionName[];
}

const ALL = {
  ...SOURCES,
  ...ETCD,
  ...SAVED_STATE,
  ...NODE,
  ...OVERLAY,
  ...PROXY,
  ...DNS,
  ...HTTP,
  ...LOG,
};

/** The path of an option's field. */
export type OptionName = keyof typeof ALL;

/** A value for each option. */
export type Values = ValuesOf<typeof ALL>;

/** All options, in the order they are shown in. */
export const OPTIONS: Readonly<Record<OptionName, Option<unknown>>> = ALL;

/** The names of all options. */
export const OPTION_NAMES = Object.keys(ALL) as readonly OptionName[];

/** Those that say where the objects come from: one of them is needed. */
export const SOURCE_NAMES = Object.keys(SOURCES) as readonly (keyof typeof SOURCES)[];

/** Whether a text is the path of an option. */
export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(ALL, name);
}

const TITLES: Readonly<Record<string, string>> = {
  sources: "Where the cluster's objects come from, one or several",
  savedState: 'The saved state',
  node: 'The node',
  overlay: 'Pods of other nodes',
  proxy: 'Services, as kube-proxy has them',
  dns: 'DNS',
  http: 'Health and metrics',
  log: 'The log',
};

/** The options by their subjects. */
export const SECTIONS: readonly Section[] = Object.entries(TITLES).map(([name, title]) => ({
  name,
  title,
  names: OPTION_NAMES.filter((each) => each.startsWith(`${name}.`)),
}));

import type { KubeProxySettings } from '../kube-proxy/settings.ts';
import type { ValueType } from './value-type.ts';

/**
 * One thing the agent can be told. Everything there is to say of it is said here: the flag and the
 * variable, the field of the file, the schema, `podwire config print` and the documents are made of it.
 */
export interface Option<T> {
  /** Without the dashes; without one the file alone says it. The variable is `PODWIRE_<FLAG>`. */
  readonly flag?: string;
  /** The flag takes all words up to the next flag. */
  readonly takesWords?: boolean;
  readonly type: ValueType<T>;
  readonly default: T;
  /** What the default is called where it depends on the machine. */
  readonly defaultDoc?: string;
  /** A sentence without a capital and a full stop. */
  readonly doc: string;
  /** Whether another value takes effect while the agent runs. */
  readonly change: 'live' | 'restart';
  /** It may not be said beside any of these options, which say it themselves. */
  readonly excludedBy?: readonly string[];
  /** It may only be said beside one of these. */
  readonly needs?: readonly string[];
  /** What a KubeProxyConfiguration says of it. */
  readonly kubeProxy?: (settings: KubeProxySettings) => T;
}

/** Options by the path of their field, such as `dns.port`. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** A value for each option of a table. */
export type ValuesOf<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Option<infer T> ? T : never;
};

/** Gives the option its type. */
export function option<T>(definition: Option<T>): Option<T> {
  return definition;
}

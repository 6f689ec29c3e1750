import type { OptionName } from './definitions.ts';
import type { Fault } from './fault.ts';

/** Who said a value. */
export type Origin =
  | { readonly by: 'default' }
  | { readonly by: 'flag'; readonly flag: string }
  | { readonly by: 'environment'; readonly variable: string }
  | { readonly by: 'file'; readonly place: string; readonly field: string }
  | { readonly by: 'kube-proxy'; readonly file: string };

/** A value and who said it. */
export interface Said {
  readonly value: unknown;
  readonly origin: Origin;
}

/** What one of them says. */
export type Layer = ReadonlyMap<OptionName, Said>;

/** A layer, and what is wrong in what it was read from. */
export interface ReadLayer {
  readonly layer: Map<OptionName, Said>;
  readonly faults: Map<OptionName, Fault>;
}

/** For people, such as `--dns-port` or `podwire.yaml:3:5`. */
export function formatOrigin(origin: Origin): string {
  switch (origin.by) {
    case 'default':
      return 'default';
    case 'flag':
      return `--${origin.flag}`;
    case 'environment':
      return origin.variable;
    case 'file':
      return origin.place;
    case 'kube-proxy':
      return `KubeProxyConfiguration in ${origin.file}`;
  }
}

/** Says that a value is wrong where it was said; that of a default, by the option's own names. */
export function faultAt(origin: Origin, name: OptionName, problem: string): Fault {
  switch (origin.by) {
    case 'file':
      return { where: origin.place, field: origin.field, problem };
    case 'kube-proxy':
    case 'default':
      return { where: '', field: name, problem };
    case 'flag':
    case 'environment':
      return { where: formatOrigin(origin), field: '', problem };
  }
}

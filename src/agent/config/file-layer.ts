import type { FieldPath } from '../../cluster/decode.ts';
import { isOptionName, OPTION_NAMES, OPTIONS, type OptionName } from './definitions.ts';
import type { ConfigDocument } from './document.ts';
import { type Fault, shown } from './fault.ts';
import { nearest, noSuchField } from './nearest.ts';
import type { Layer, Said } from './origin.ts';

/** The field that holds a whole KubeProxyConfiguration. */
export const EMBEDDED = 'proxy.kubeProxyConfiguration';

/** What an AgentConfiguration says, and the KubeProxyConfiguration in it. */
export interface FileLayer {
  readonly layer: Layer;
  readonly faults: readonly Fault[];
  readonly embedded: ConfigDocument | undefined;
}

/** Reads the fields of a document whose apiVersion and kind are right. Gives all that is wrong. */
export function fileLayer(document: ConfigDocument): FileLayer {
  const layer = new Map<OptionName, Said>();
  const faults: Fault[] = [];
  let embedded: ConfigDocument | undefined;

  // As deep as the names of options are, whatever the file holds.
  const read = (value: unknown, path: FieldPath): void => {
    if (value === null || value === undefined) return;
    const name = path.join('.');
    if (isOptionName(name)) {
      readOption(name, value, path);
    } else if (name === EMBEDDED) {
      embedded = document.within(path, value);
    } else if (path.length > 0 && stepsBelow(path).length === 0) {
      faults.push(document.fault(path, unknownField(path)));
    } else if (typeof value !== 'object' || Array.isArray(value)) {
      faults.push(document.fault(path, `expected a mapping, got ${shown(value)}`));
    } else {
      for (const [key, each] of Object.entries(value)) {
        if (path.length > 0 || (key !== 'apiVersion' && key !== 'kind')) read(each, [...path, key]);
      }
    }
  };

  const readOption = (name: OptionName, value: unknown, path: FieldPath): void => {
    try {
      layer.set(name, {
        value: OPTIONS[name].type.read(value, document.directory),
        origin: { by: 'file', place: document.placeOf(path), field: name },
      });
    } catch (error) {
      faults.push(document.fault(path, (error as Error).message));
    }
  };

  read(document.value, []);
  return { layer, faults, embedded };
}

/** The names of fields that may stand below a path. */
function stepsBelow(path: FieldPath): string[] {
  const above = path.length === 0 ? '' : `${path.join('.')}.`;
  const below = [...OPTION_NAMES, EMBEDDED].filter((name) => name.startsWith(above));
  return [...new Set(below.map((name) => name.slice(above.length).split('.')[0] ?? ''))];
}

/** A slip of the pen, or a field that stands elsewhere. */
function unknownField(path: FieldPath): string {
  const last = String(path.at(-1));
  const beside = noSuchField(last, [...stepsBelow(path.slice(0, -1)), ...headOf(path)]);
  const lasts = OPTION_NAMES.map((name) => name.split('.').at(-1) ?? '');
  const elsewhere = OPTION_NAMES.find((name) => name.endsWith(`.${nearest(last, lasts) ?? ''}`));
  if (beside.includes(';') || elsewhere === undefined) return beside;
  return `${beside}; did you mean "${elsewhere}"?`;
}

function headOf(path: FieldPath): string[] {
  return path.length === 1 ? ['apiVersion', 'kind'] : [];
}

import { PodwireError } from '../../errors.ts';

/** A text that is not a label selector. */
export class SelectorError extends PodwireError {
  constructor(text: string, problem: string) {
    super('ERR_LABEL_SELECTOR', `label selector "${text}": ${problem}`);
  }
}

/** One condition of a selector. */
interface Requirement {
  readonly key: string;
  readonly operator: 'in' | 'notin' | 'exists' | 'absent';
  readonly values: readonly string[];
}

/** Kubernetes' label selector: all of its conditions must hold. */
export type LabelSelector = readonly Requirement[];

const REQUIREMENTS_MAX = 100;
const KEY = '[A-Za-z0-9][A-Za-z0-9_./-]*';
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EQUAL = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*([A-Za-z0-9_.-]*)$`);
const PRESENT = new RegExp(`^(!?)\\s*(${KEY})$`);

/**
 * Reads a selector as kubectl takes it: `app=web,tier!=db,env in (a, b),!legacy`. Throws SelectorError.
 */
export function parseSelector(text: string): LabelSelector {
  // A comma between parentheses separates values, any other one conditions.
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  if (parts.length > REQUIREMENTS_MAX) {
    throw new SelectorError(text, `expected at most ${REQUIREMENTS_MAX} conditions`);
  }
  return parts.map((part) => {
    const set = SET.exec(part);
    if (set !== null) {
      const values = (set[3] ?? '').split(',').map((value) => value.trim());
      return { key: set[1] ?? '', operator: set[2] === 'in' ? 'in' : 'notin', values };
    }
    const equal = EQUAL.exec(part);
    if (equal !== null) {
      const operator = equal[2] === '!=' ? 'notin' : 'in';
      return { key: equal[1] ?? '', operator, values: [equal[3] ?? ''] };
    }
    const present = PRESENT.exec(part);
    if (present !== null) {
      const operator = present[1] === '!' ? 'absent' : 'exists';
      return { key: present[2] ?? '', operator, values: [] };
    }
    const expected = 'key=value, key!=value, key in (a, b), key notin (a, b), key or !key';
    throw new SelectorError(text, `expected ${expected}, got "${part}"`);
  });
}

/** Whether labels meet every condition; as in Kubernetes, `notin` holds where the key is absent. */
export function matchesSelector(
  selector: LabelSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  return selector.every((requirement) => holds(requirement, labels));
}

function holds(
  { key, operator, values }: Requirement,
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notin':
      return value === undefined || !values.includes(value);
  }
}

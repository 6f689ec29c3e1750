import { type Heard, type HeardTexts, hear } from '../kube/heard.ts';

/** What the thread can be asked for, and what it gives. All of it is as JSON has it. */
export interface Jobs {
  /** Items or events of an API server. */
  readonly hear: { readonly input: HeardTexts; readonly output: readonly Heard[] };
}

/** One of them, and what it is to work on. */
export interface Job<Name extends keyof Jobs = keyof Jobs> {
  readonly name: Name;
  readonly input: Jobs[Name]['input'];
}

const WORK: {
  readonly [Name in keyof Jobs]: (input: Jobs[Name]['input']) => Jobs[Name]['output'];
} = {
  hear,
};

/** Does what is asked for. */
export function work<Name extends keyof Jobs>({ name, input }: Job<Name>): Jobs[Name]['output'] {
  return WORK[name](input);
}

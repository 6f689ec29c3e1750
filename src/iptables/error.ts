import { PodwireError } from '../errors.ts';

/** Why a program of iptables could not do what it was asked. */
export type IptablesFailure =
  /** It is not installed. */
  | 'missing'
  /** Others held the lock, or the kernel was out of something: the same may work later. */
  | 'busy'
  /** It, or the kernel, refused what it was given. */
  | 'refused';

/** A program of iptables(8) failed; the message says which one, and what it said itself. */
export class IptablesError extends PodwireError {
  readonly failure: IptablesFailure;
  readonly program: string;
  /** What the program said, or where it was looked for. */
  readonly details: string;

  constructor(failure: IptablesFailure, program: string, details: string) {
    const what = failure === 'missing' ? `${program} is not installed` : `${program} failed`;
    super('ERR_IPTABLES', `${what}: ${details}`);
    this.failure = failure;
    this.program = program;
    this.details = details;
  }
}

import { PodwireError } from '../errors.ts';

/** What was typed is no command: exit status 2. */
export class UsageError extends PodwireError {
  constructor(message: string) {
    super('ERR_USAGE', message);
  }
}

/**
 * A command was given something it can't read: exit status 2 as well, so that 1 is left for the
 * answer no. The message tells what is wrong, and help on the command would tell no more.
 */
export class InputError extends PodwireError {
  constructor(message: string) {
    super('ERR_INPUT', message);
  }
}

import { PodwireError } from '../errors.ts';

/** What was typed is no command: exit status 2. */
export class UsageError extends PodwireError {
  constructor(message: string) {
    super('ERR_USAGE', message);
  }
}

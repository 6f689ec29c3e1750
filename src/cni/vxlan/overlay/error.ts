import { PodwireError } from '../../../errors.ts';

/** What is on the node keeps the overlay from being made, and is not ours to change. */
export class OverlayError extends PodwireError {
  constructor(message: string) {
    super('ERR_OVERLAY', message);
  }
}

import { PodwireError } from '../../errors.ts';
import { type Ack, NetlinkError } from '../error.ts';

/** How many refusals a BatchError's message names; the others are in `faults`. */
const FAULTS_NAMED_MAX = 3;

/** One message of a batch that the kernel refused. */
export interface BatchFault {
  /** Which message of the batch it is, from 0. */
  readonly index: number;
  /**
   * Why. Its `operation` is the verb and the object, such as `add chain input of table ip podwire`,
   * and its `fault` the field that the kernel points at, such as `at expressions[2]`.
   */
  readonly error: NetlinkError;
  readonly ack: Ack;
}

/**
 * The kernel refused a batch and applied nothing of it. It is the error of the first message that
 * was refused; `faults` has them all, for the kernel reads on after a refusal.
 */
export class BatchError extends NetlinkError {
  readonly faults: readonly BatchFault[];

  constructor(faults: readonly [BatchFault, ...BatchFault[]]) {
    const [{ error, ack }, ...others] = faults;
    super(error.operation, ack, [error.fault, alsoOf(others)].filter(Boolean).join('; '));
    this.faults = faults;
  }
}

function alsoOf(faults: readonly BatchFault[]): string {
  if (faults.length === 0) return '';
  const named = faults.slice(0, FAULTS_NAMED_MAX).map(({ error }) => error.message);
  const rest = faults.length - named.length;
  return `also ${named.join(', ')}${rest === 0 ? '' : ` and ${rest} more`}`;
}

/** Another change of the ruleset came first; nothing of the batch was applied. */
export class GenerationChangedError extends PodwireError {
  readonly generation: number;

  constructor(generation: number) {
    super(
      'ERR_NFTABLES_GENERATION',
      `nftables batch: the ruleset is not at generation ${generation} any more`,
    );
    this.generation = generation;
  }
}

/** The kernel neither took nor refused a batch, which no working kernel does. */
export class BatchLostError extends PodwireError {
  constructor(operation: string) {
    super('ERR_NFTABLES_BATCH', `nftables batch ending with "${operation}": no answer`);
  }
}

import { PodwireError } from '../../errors.ts';

/** Why an upstream gave no answer. */
export type ForwardProblem =
  /** It did not answer in time. */
  | 'timeout'
  /** The network or the other side refused. */
  | 'network'
  /** It answered with what is no answer. */
  | 'protocol'
  /** Too many queries are under way. */
  | 'overload'
  /** Every upstream is down and the configuration says not to try. */
  | 'down';

/** A query that could not be forwarded. */
export class ForwardError extends PodwireError {
  readonly problem: ForwardProblem;

  constructor(problem: ForwardProblem, message: string, options?: ErrorOptions) {
    super('ERR_DNS_FORWARD', message, options);
    this.problem = problem;
  }
}

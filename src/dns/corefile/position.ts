import { PodwireError } from '../../errors.ts';

/** A place in a Corefile or in a file it imports; line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** `file:line:column`, as compilers write it. */
export function formatPosition({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

/** Something in a Corefile that can't be taken, and where. */
export class CorefileError extends PodwireError {
  readonly position: Position;
  readonly problem: string;

  constructor(position: Position, problem: string) {
    super('ERR_COREFILE', `${formatPosition(position)}: ${problem}`);
    this.position = position;
    this.problem = problem;
  }
}

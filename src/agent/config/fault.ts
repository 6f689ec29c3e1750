import { PodwireError } from '../../errors.ts';

const SHOWN_CHARACTERS_MAX = 80;
/** A file that is another kind of file altogether has a fault in every line. */
const FAULTS_MAX = 20;

/** One thing that is wrong with a configuration. */
export interface Fault {
  /** `--dns-port`, `PODWIRE_DNS_PORT` or `podwire.yaml:3:5`. */
  readonly where: string;
  /** The field of a file, such as `dns.port`; empty for flags and variables, and where YAML is broken. */
  readonly field: string;
  /** What was expected, and what is there instead. */
  readonly problem: string;
}

/** A configuration that can't be used: all that is wrong with it. */
export class ConfigError extends PodwireError {
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super('ERR_CONFIG', messageOf(faults));
    this.faults = faults;
  }
}

function messageOf(faults: readonly Fault[]): string {
  const lines = faults.slice(0, FAULTS_MAX).map(formatFault);
  if (faults.length > FAULTS_MAX) lines.push(`and ${faults.length - FAULTS_MAX} more`);
  return lines.join('\n');
}

/** One line for people, and for editors that go to `file:line:column`. */
export function formatFault({ where, field, problem }: Fault): string {
  return `${[where, field].filter((part) => part !== '').join(': ')}: ${problem}`;
}

/** A value, as an error shows it. */
export function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, SHOWN_CHARACTERS_MAX);
}

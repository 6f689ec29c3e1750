import { readFileSync } from 'node:fs';

/** What a process took. */
export interface ProcessCost {
  /** Of it and of those it waited for. */
  readonly cpuMs: number;
  /** Resident now, and at most. */
  readonly rssMb: number;
  readonly peakMb: number;
}

/** What a process that runs has taken so far, in ms of CPU and MB. */
export function costOf(pid: number): ProcessCost {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  const ticks = stat.slice(11, 15).reduce((sum, each) => sum + Number(each), 0); // proc_pid_stat(5)
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
  return { cpuMs: ticks * 10, rssMb: mb('VmRSS'), peakMb: mb('VmHWM') };
}

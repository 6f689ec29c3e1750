import type { Attributes, AttributeTable } from '../attribute.ts';
import { struct } from '../struct.ts';
import { bytesOf, decodeRate, encodeRate, encodeRate64, tcRatespec, ticksOf } from './rate.ts';

const HTB_VERSION = 3; // net/sched/sch_htb.c
const RATE_TO_QUANTUM = 10; // tc-htb(8): `r2q`
/** A full Ethernet frame and some: what tc(8) takes for a burst that is not said. */
const BURST_BYTES = 1600;

/** TCA_HTB_* (linux/pkt_sched.h), of the qdisc and of its classes. */
export const htbAttributes = {
  parms: {
    id: 1,
    type: {
      struct: struct('tc_htb_opt', {
        rate: { struct: tcRatespec },
        ceil: { struct: tcRatespec },
        buffer: 'u32',
        cbuffer: 'u32',
        quantum: 'u32',
        level: 'u32',
        prio: 'u32',
      }),
    },
  },
  init: {
    id: 2,
    type: {
      struct: struct('tc_htb_glob', {
        version: 'u32',
        rate2quantum: 'u32',
        defcls: 'u32',
        debug: 'u32',
        directPackets: 'u32',
      }),
    },
  },
  directQlen: { id: 5, type: 'u32' },
  rate64: { id: 6, type: 'u64' },
  ceil64: { id: 7, type: 'u64' },
} as const satisfies AttributeTable;

type HtbAttributes = Attributes<typeof htbAttributes>;

/** A hierarchy of token buckets, tc-htb(8). */
export interface Htb {
  /** The minor number of the class for packets no filter knows; 0: they go out unlimited. */
  readonly defaultClass?: number | undefined;
  /** The octets of a class's turn are its rate divided by this. */
  readonly rateToQuantum?: number | undefined;
  /** How many packets without a class may wait. */
  readonly directQlen?: number | undefined;
  /** Read only: how many packets went out without a class. */
  readonly directPackets?: number | undefined;
}

/** One class of it. */
export interface HtbClass {
  /** What it has for sure. */
  readonly bytesPerSecond: number;
  /** What it may have when others leave some; by default no more than its own. */
  readonly ceilBytesPerSecond?: number | undefined;
  readonly burstBytes?: number | undefined;
  readonly ceilBurstBytes?: number | undefined;
  /** What its turn is worth; by default the kernel works it out. */
  readonly quantumBytes?: number | undefined;
  /** Who gets what others leave: lower ones first. */
  readonly priority?: number | undefined;
}

/** A class as the kernel has it: nothing is left out. */
export type KernelHtbClass = { readonly [K in keyof HtbClass]-?: number };

export function encodeHtb(htb: Htb): HtbAttributes {
  return {
    init: {
      version: HTB_VERSION,
      rate2quantum: htb.rateToQuantum ?? RATE_TO_QUANTUM,
      defcls: htb.defaultClass ?? 0,
    },
    directQlen: htb.directQlen,
  };
}

export function decodeHtb({ init, directQlen }: HtbAttributes): Htb {
  return {
    defaultClass: init?.defcls,
    rateToQuantum: init?.rate2quantum,
    directQlen,
    directPackets: init?.directPackets,
  };
}

export function encodeHtbClass(htb: HtbClass): HtbAttributes {
  const { bytesPerSecond: rate, ceilBytesPerSecond: ceil = rate } = htb;
  return {
    parms: {
      rate: encodeRate(rate),
      ceil: encodeRate(ceil),
      buffer: ticksOf(htb.burstBytes ?? BURST_BYTES, rate),
      cbuffer: ticksOf(htb.ceilBurstBytes ?? BURST_BYTES, ceil),
      quantum: htb.quantumBytes ?? 0,
      prio: htb.priority ?? 0,
    },
    rate64: encodeRate64(rate),
    ceil64: encodeRate64(ceil),
  };
}

/** Bursts come back as the time they take, so they are exact to some octets only. */
export function decodeHtbClass({ parms, rate64, ceil64 }: HtbAttributes): KernelHtbClass {
  const rate = decodeRate(parms?.rate, rate64);
  const ceil = decodeRate(parms?.ceil, ceil64);
  return {
    bytesPerSecond: rate,
    ceilBytesPerSecond: ceil,
    burstBytes: bytesOf(parms?.buffer ?? 0, rate),
    ceilBurstBytes: bytesOf(parms?.cbuffer ?? 0, ceil),
    quantumBytes: parms?.quantum ?? 0,
    priority: parms?.prio ?? 0,
  };
}

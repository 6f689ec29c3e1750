import { RCODE, TYPE } from '../wire/constants.ts';

/** Upper bounds of CoreDNS's histograms: octets, and seconds. */
export const SIZE_BOUNDS = [
  0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000,
] as const;
export const DURATION_BOUNDS = Array.from({ length: 16 }, (_, index) => 0.00025 * 2 ** index);

/** Types that are counted by name, as in CoreDNS; the rest is `other`. */
const TYPES = [
  TYPE.A,
  TYPE.AAAA,
  TYPE.SRV,
  TYPE.PTR,
  TYPE.CNAME,
  TYPE.TXT,
  TYPE.SOA,
  TYPE.NS,
  TYPE.MX,
  TYPE.HTTPS,
  TYPE.NAPTR,
  TYPE.DS,
  TYPE.DNSKEY,
  TYPE.RRSIG,
  TYPE.NSEC,
  TYPE.NSEC3,
] as const;
const RCODES = Object.values(RCODE);

const REQUESTS = 0; // by type, for IPv4 and then for IPv6 clients
const FAMILY_SLOTS = TYPES.length + 1;
const RESPONSES = REQUESTS + 2 * FAMILY_SLOTS;
const CACHE_RESPONSES = RESPONSES + RCODES.length;
const CACHE_DENIALS = CACHE_RESPONSES + RCODES.length;
const DO_REQUESTS = CACHE_DENIALS + 1;
const KERNEL_DROPS = DO_REQUESTS + 1;
const STALE_DROPS = KERNEL_DROPS + 1;
const HANDOVER_DROPS = STALE_DROPS + 1;
const HANDOVERS = HANDOVER_DROPS + 1;
const SEND_ERRORS = HANDOVERS + 1;
const REQUEST_SIZES = SEND_ERRORS + 1;
const HISTOGRAM_SLOTS = SIZE_BOUNDS.length + 2; // and what is beyond, and the sum
const RESPONSE_SIZES = REQUEST_SIZES + HISTOGRAM_SLOTS;
const DURATIONS = RESPONSE_SIZES + HISTOGRAM_SLOTS;
const DURATION_SLOTS = DURATION_BOUNDS.length + 2;
const SLOTS = DURATIONS + DURATION_SLOTS;

/** The slot of each type below 256, so that counting looks nothing up. */
const TYPE_SLOTS = new Uint8Array(256).fill(TYPES.length);
TYPES.forEach((type, slot) => {
  TYPE_SLOTS[type] = slot;
});
const RCODE_SLOTS = new Uint8Array(32);
RCODES.forEach((rcode, slot) => {
  RCODE_SLOTS[rcode] = slot;
});

/** A histogram's counts for each bound and beyond the last, and the sum of all values. */
export interface Distribution {
  readonly counts: readonly number[];
  readonly sum: number;
}

/**
 * What one thread did, in memory that others may read: each slot has one writer, so nothing needs
 * to be atomic, and counts are exact up to 2^53.
 */
export class Counters {
  readonly memory: SharedArrayBuffer;
  readonly #slots: Float64Array;

  constructor(memory = new SharedArrayBuffer(SLOTS * 8)) {
    this.memory = memory;
    this.#slots = new Float64Array(memory);
  }

  /** Counts a query. */
  asked(type: number, isV4: boolean, isDnssecOk: boolean, sizeBytes: number): void {
    const slot = type < 256 ? (TYPE_SLOTS[type] ?? 0) : TYPES.length;
    this.#add(REQUESTS + (isV4 ? slot : FAMILY_SLOTS + slot), 1);
    if (isDnssecOk) this.#add(DO_REQUESTS, 1);
    this.#observeSize(REQUEST_SIZES, sizeBytes);
  }

  /** Counts an answer. */
  answered(rcode: number, sizeBytes: number): void {
    this.#add(RESPONSES + (RCODE_SLOTS[rcode & 31] ?? 0), 1);
    this.#observeSize(RESPONSE_SIZES, sizeBytes);
  }

  /** Counts an answer of the cache; a denial has no records, whatever its code. */
  answeredFromCache(rcode: number, sizeBytes: number, isDenial: boolean): void {
    if (isDenial) this.#add(CACHE_DENIALS, 1);
    this.#add(CACHE_RESPONSES + (RCODE_SLOTS[rcode & 31] ?? 0), 1);
    this.#observeSize(RESPONSE_SIZES, sizeBytes);
  }

  /** Counts `queries` that took so long, from when they were received to when they were answered. */
  took(seconds: number, queries: number): void {
    let bound = 0;
    while (bound < DURATION_BOUNDS.length && seconds > (DURATION_BOUNDS[bound] ?? 0)) bound += 1;
    this.#add(DURATIONS + bound, queries);
    this.#add(DURATIONS + DURATION_SLOTS - 1, seconds * queries);
  }

  /** Sets how many datagrams the kernel dropped, for there was no room for more. */
  setKernelDrops(count: number): void {
    this.#slots[KERNEL_DROPS] = count;
  }

  /** Counts answers the kernel did not take. */
  sendFailed(count: number): void {
    this.#add(SEND_ERRORS, count);
  }

  /** Counts queries that were dropped, having waited longer than anybody waits for an answer. */
  droppedStale(count: number): void {
    this.#add(STALE_DROPS, count);
  }

  /** Counts a query given to the main thread, or dropped where its queue is full. */
  handedOver(isTaken: boolean): void {
    this.#add(isTaken ? HANDOVERS : HANDOVER_DROPS, 1);
  }

  /** Queries by type, undefined standing for all others. */
  requests(family: 4 | 6): ReadonlyMap<number | undefined, number> {
    const start = REQUESTS + (family === 4 ? 0 : FAMILY_SLOTS);
    return new Map([...TYPES, undefined].map((type, slot) => [type, this.#get(start + slot)]));
  }

  /** Answers by response code; those of the cache apart. */
  responses(from: 'table' | 'cache'): ReadonlyMap<number, number> {
    const start = from === 'table' ? RESPONSES : CACHE_RESPONSES;
    return new Map(RCODES.map((rcode, slot) => [rcode, this.#get(start + slot)]));
  }

  /** Single counts, by what they count. */
  totals() {
    return {
      dnssecOk: this.#get(DO_REQUESTS),
      cacheDenials: this.#get(CACHE_DENIALS),
      kernelDrops: this.#get(KERNEL_DROPS),
      staleDrops: this.#get(STALE_DROPS),
      handovers: this.#get(HANDOVERS),
      handoverDrops: this.#get(HANDOVER_DROPS),
      sendErrors: this.#get(SEND_ERRORS),
    };
  }

  get requestSizes(): Distribution {
    return this.#distribution(REQUEST_SIZES, HISTOGRAM_SLOTS);
  }

  get responseSizes(): Distribution {
    return this.#distribution(RESPONSE_SIZES, HISTOGRAM_SLOTS);
  }

  get durations(): Distribution {
    return this.#distribution(DURATIONS, DURATION_SLOTS);
  }

  #distribution(start: number, slots: number): Distribution {
    const values = Array.from(this.#slots.subarray(start, start + slots));
    return { counts: values.slice(0, -1), sum: values.at(-1) ?? 0 };
  }

  #observeSize(start: number, sizeBytes: number): void {
    let bound = 0;
    while (bound < SIZE_BOUNDS.length && sizeBytes > (SIZE_BOUNDS[bound] ?? 0)) bound += 1;
    this.#add(start + bound, 1);
    this.#add(start + HISTOGRAM_SLOTS - 1, sizeBytes);
  }

  #add(slot: number, amount: number): void {
    this.#slots[slot] = (this.#slots[slot] ?? 0) + amount;
  }

  #get(slot: number): number {
    return this.#slots[slot] ?? 0;
  }
}

/** Adds up the counts of several threads. */
export function sumDistributions(all: readonly Distribution[]): Distribution {
  const counts: number[] = [];
  for (const { counts: each } of all) {
    each.forEach((count, index) => {
      counts[index] = (counts[index] ?? 0) + count;
    });
  }
  return { counts, sum: all.reduce((sum, each) => sum + each.sum, 0) };
}

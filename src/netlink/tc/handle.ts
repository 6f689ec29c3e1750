/* Handles of traffic control (linux/pkt_sched.h): a major number for a qdisc, a minor for its class. */

/** Parent of a link's own qdisc. */
export const TC_H_ROOT = 0xffff_ffff;
/** Parent of the qdiscs `ingress` and `clsact`. */
export const TC_H_INGRESS = 0xffff_fff1;
/** Parent of the filters of `clsact` on packets that come in: TC_H_CLSACT with TC_H_MIN_INGRESS. */
export const TC_CLSACT_INGRESS = 0xffff_fff2;
/** The same for packets that go out, TC_H_MIN_EGRESS. */
export const TC_CLSACT_EGRESS = 0xffff_fff3;

/** The handle that tc(8) writes `major:minor`, in hexadecimal; without a minor one it is a qdisc. */
export function tcHandle(major: number, minor = 0): number {
  return ((major << 16) | minor) >>> 0;
}

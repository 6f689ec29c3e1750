import { describe, expect, it } from 'vitest';
import { KUBE_PROXY_DEFAULTS } from './kube-proxy/settings.ts';
import { trackedMax } from './sysctls.ts';

describe('trackedMax', () => {
  it.each([
    // The numbers of kube-proxy's own documentation: 32768 a core, 131072 at least, 1048576 at most.
    [{ maxPerCore: 32_768, min: 131_072 }, 1, 131_072],
    [{ maxPerCore: 32_768, min: 131_072 }, 8, 262_144],
    [{ maxPerCore: 32_768, min: 131_072 }, 64, 1_048_576],
    [{ maxPerCore: 32_768, min: 2_000_000 }, 1, 2_000_000],
    [{ maxPerCore: 0, min: 131_072 }, 8, 0],
  ])('of %j on %d cores is %d', (limits, cores, expected) => {
    expect(trackedMax({ ...KUBE_PROXY_DEFAULTS.conntrack, ...limits }, cores)).toBe(expected);
  });
});

import { describe } from 'vitest';
import { describeSource } from './source-cases.ts';

describe("EtcdSource with Debian's etcd", () => {
  describeSource(() => 'etcd');
});

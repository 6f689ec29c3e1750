import { describe, expect, it } from 'vitest';
import { loadOrder } from './modules.ts';

describe('loadOrder', () => {
  it('keeps what others need before them, and each file once', () => {
    expect(
      loadOrder([
        'insmod /m/virtio_ring.ko \ninsmod /m/virtio.ko \ninsmod /m/virtio_pci.ko force_legacy=1\n',
        'builtin unix\ninsmod /m/9pnet.ko \n',
        'insmod /m/virtio_ring.ko \ninsmod /m/virtio.ko \ninsmod /m/9pnet.ko \ninsmod /m/9pnet_virtio.ko \n',
      ]),
    ).toEqual([
      '/m/virtio_ring.ko',
      '/m/virtio.ko',
      '/m/virtio_pci.ko',
      '/m/9pnet.ko',
      '/m/9pnet_virtio.ko',
    ]);
  });

  it('knows a file with a blank in its path, and one that is packed', () => {
    expect(loadOrder(['insmod /my files/a.ko.xz \ninsmod /my files/b.ko debug=1 x=.ko\n'])).toEqual(
      ['/my files/a.ko.xz', '/my files/b.ko'],
    );
  });

  it('is empty when all is built in', () => {
    expect(loadOrder(['builtin overlay\n'])).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { checkWebhookUrl, specialPurposeOf } from './webhook-url.ts';

describe('an address', () => {
  it.each(['1.1.1.1', '93.184.215.14', '172.15.255.255', '172.32.0.0', '2606:4700:4700::1111', '2a00:1450:4001::1'])(
    '%s is public',
    (address) => {
      expect(specialPurposeOf(address)).toBeUndefined();
    },
  );

  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::1', 'loopback'],
    ['10.0.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['fc00::1', 'uniqueLocal'],
    ['fd12:3456::1', 'uniqueLocal'],
    ['fec0::1', 'deprecatedSiteLocal'],
    ['169.254.169.254', 'linkLocal'],
    ['fe80::1', 'linkLocal'],
    ['fe80::1%eth0', 'linkLocal'],
    ['fd00:ec2::254', 'uniqueLocal'],
    ['100.64.0.1', 'carrierGradeNat'],
    ['100.127.255.255', 'carrierGradeNat'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.250', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['240.0.0.1', 'reserved'],
    ['192.0.0.8', 'reserved'],
    ['192.0.2.1', 'reserved'],
    ['192.88.99.1', 'reserved'],
    ['198.18.0.1', 'reserved'],
    ['198.51.100.1', 'reserved'],
    ['203.0.113.1', 'reserved'],
    ['2001:db8::1', 'reserved'],
    ['3fff::1', 'reserved'],
    ['100::1', 'discard'],
    ['5f00::1', 'segmentRouting'],
    ['4000::1', 'reserved'],
    // IPv4 within IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo.
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:a9fe:a9fe', 'linkLocal'],
    ['::127.0.0.1', 'reserved'],
    ['::1.1.1.1', 'reserved'],
    ['::101:101', 'reserved'],
    ['::ffff:0:127.0.0.1', 'rfc6145'],
    ['64:ff9b::10.0.0.1', 'private'],
    ['64:ff9b::a9fe:a9fe', 'linkLocal'],
    ['64:ff9b:1::1', 'rfc6052'],
    ['2002:7f00:1::', '6to4'],
    ['2002:101:101::', '6to4'],
    ['2001:0:4136:e378::1', 'teredo'],
    ['example.com', 'invalid'],
    ['', 'invalid'],
    ['2130706433', 'invalid'],
  ])('%s is special: %s', (address, range) => {
    expect(specialPurposeOf(address)).toBe(range);
  });

  it.each(['::ffff:1.1.1.1', '64:ff9b::1.1.1.1'])('%s is public, like the IPv4 address in it', (address) => {
    expect(specialPurposeOf(address)).toBeUndefined();
  });
});

describe('a URL', () => {
  const long = (chars: number): string => 'https://example.com/'.padEnd(chars, 'x');
  const mayBePublic = ['https://example.com/hook?a=1', 'https://example.com:8443/', 'https://1.1.1.1/', long(2_048)];
  const isPrivate = [
    'http://example.com/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://api.localhost:3000/',
    'https://127.0.0.1/',
    'https://127.1/',
    'http://2130706433/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0x7f.0x0.0x0.0x1/',
    'https://0177.0.0.1/',
    'https://017700000001/',
    'https://127.0.0.1./',
    'https://１２７.0.0.1/',
    'https://0/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[64:ff9b::a9fe:a9fe]/',
    'https://169.254.169.254/latest/meta-data/',
    'https://10.0.0.1/',
    'https://100.64.0.1/',
  ];
  const neverGood = [
    ['', 'no absolute URL'],
    ['/hook', 'no absolute URL'],
    ['example.com/hook', 'no absolute URL'],
    ['https://', 'no absolute URL'],
    ['https://256.256.256.256/', 'no absolute URL'],
    ['ftp://example.com/', '"ftp"'],
    ['file:///etc/passwd', '"file"'],
    ['javascript:alert(1)', '"javascript"'],
    ['https://user@example.com/', 'credentials'],
    ['https://:word@example.com/', 'credentials'],
    [long(2_049), '2049 characters'],
  ] as const;
  const refused = { code: 'invalid_request', details: { param: 'webhook.url' } };

  it.each(mayBePublic)('%s passes', (url) => {
    expect(checkWebhookUrl(url, { allowPrivate: false }).href).toBe(url);
  });

  it.each(isPrivate)('%s passes only when private receivers are allowed', (url) => {
    expect(() => checkWebhookUrl(url, { allowPrivate: false })).toThrow(expect.objectContaining(refused));
    expect(checkWebhookUrl(url, { allowPrivate: true }).href).toBe(new URL(url).href);
  });

  it.each(neverGood)('%s is refused: %s', (url, why) => {
    for (const allowPrivate of [false, true]) {
      expect(() => checkWebhookUrl(url, { allowPrivate })).toThrow(
        expect.objectContaining({ ...refused, message: expect.stringContaining(why) as string }),
      );
    }
  });
});

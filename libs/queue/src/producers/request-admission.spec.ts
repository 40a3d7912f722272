import { describe, expect, it } from 'vitest';
import { RequestAdmission, type Admitted, type Candidate } from './request-admission.ts';

const LIMITS = { maxOutstanding: 20, maxOutstandingBytes: 1_000 };
const IN_A_MINUTE = Date.now() + 60_000;

function admission(): { admit(own?: Partial<Candidate>, times?: number): Admitted[]; readonly of: RequestAdmission } {
  const of = new RequestAdmission(LIMITS);
  return {
    of,
    admit: (own = {}, times = 1) =>
      Array.from({ length: times }, () => {
        const candidate = { line: 'm', bytes: 1, ...own };
        of.check(candidate, IN_A_MINUTE);
        return of.begin(candidate, Date.now());
      }),
  };
}

describe('RequestAdmission', () => {
  it('refuses requests above the limit, and admits again when some have ended', () => {
    const { admit, of } = admission();
    const admitted = admit({}, 20);
    expect(() => admit()).toThrow(/20 requests are already waiting/);
    for (const each of admitted.slice(0, 2)) of.end(each);
    admit({}, 2);
    expect(() => admit()).toThrow(/already waiting/);
    expect(of.outstanding).toBe(20);
  });

  it('bounds bytes, but admits one request of any size when none waits', () => {
    const { admit, of } = admission();
    const [large] = admit({ bytes: 5_000 }) as [Admitted];
    expect(() => admit()).toThrow(/5000 bytes of requests are already waiting/);
    of.end(large);
    admit({ bytes: 400 }, 2);
    expect(() => admit({ bytes: 201 })).toThrow(/800 bytes/);
  });

  it('admits owners who use little up to a tenth above the limits', () => {
    const { admit, of } = admission();
    const busy = admit({ owner: 'a' }, 20);
    expect(() => admit({ owner: 'a' })).toThrow(/20 requests are already waiting/);
    expect(() => admit()).toThrow(/20 requests/);
    admit({ owner: 'b' }, 2);
    expect(() => admit({ owner: 'b' })).toThrow(/22 requests/);
    expect(() => admit({ owner: 'c' })).toThrow(/22 requests/);
    for (const each of busy) of.end(each);
    admit({ owner: 'b', bytes: 949 });
    expect(() => admit({ owner: 'b', bytes: 60 })).toThrow(/bytes/);
    admit({ owner: 'c', bytes: 60 });
  });
});

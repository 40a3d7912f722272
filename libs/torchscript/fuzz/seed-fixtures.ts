/** The archives in `fixtures/archive` from which mutants are made. */
export const SEED_FIXTURES = [
  'traced.pt',
  'scripted.pt',
  'everything.pt',
  'version-10.pt',
  'legacy-text.pt',
  'mobile.ptl',
] as const;

/** Cases that are known not to pass, as `family/name`, with the reason. One that passes after all fails the run. */
export const EXPECTED_FAILURES: Readonly<Record<string, string>> = {};

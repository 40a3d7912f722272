/** Cases that are known to fail, as `family/name`, with the reason. The run fails if such a case passes. */
export const EXPECTED_FAILURES: Readonly<Record<string, string>> = {
  'activation/special_values': 'gelu(-inf) is NaN in PyTorch and 0 in ONNX Runtime',
};

/** For models that are refused, as `family/name`: the reason that the message must give. */
export const REFUSAL_REASONS: Readonly<Record<string, RegExp>> = {
  'refusals/changed_item_list': /aten::append .*a list that is an item of a list of unknown length[^]*refusals\.py:\d+/,
  'refusals/changed_item_tensor': /aten::add_ .*a tensor that is in a list of unknown length[^]*refusals\.py:\d+/,
  'refusals/items_of_two_ranks': /‘out’ .* a list of tensors of rank 1 and of rank 2[^]*refusals\.py:\d+/,
  'refusals/returned_optional': /returns an Optional/,
};

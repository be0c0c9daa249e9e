"$T" tool call MT "The committee will meet again on Thursday to discuss the results of the vote."
